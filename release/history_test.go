package release

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func someEntry(n int) Entry {
	return Entry{
		Time: time.Date(2026, 11, 23, 14, 0, n, 0, time.UTC), Kind: KindDeploy, Release: n, From: n - 1, Image: "web:1", ImageID: "sha256:1",
		Outcome: Failed, Step: "check", Error: "line one\nline two", Seconds: 1.5, LiveSeconds: 0.25, Drained: true,
		Open: []string{"10.0.0.1:80"}, By: "ada@build", Serving: n - 1,
	}
}

func TestAppend_addsAtTheEnd(t *testing.T) {
	app := newApp(t, "web")
	want := []Entry{someEntry(2), someEntry(3), someEntry(4)}
	for _, entry := range want {
		if err := app.Append(entry); err != nil {
			t.Fatal(err)
		}
	}
	got, err := app.History()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, history (-want +got):\n%s", err, diff)
	}
}

func TestHistory_skipsWhatACrashLeft(t *testing.T) {
	for _, row := range []struct{ name, torn string }{
		{"half a line", `{"time":"2026-11-23T14:0`},
		{"zeros", "\x00\x00\x00\x00"},
		{"a whole corrupt line", "not json\n"},
		{"a line of another kind", "{}\n[]\n\"x\"\n"},
		{"an empty line", "\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			app := newApp(t, "web")
			if err := app.Append(someEntry(2)); err != nil {
				t.Fatal(err)
			}
			before := readTestFile(t, app.Path(historyFile))
			writeTestFile(t, app.Path(historyFile), before+row.torn)
			for _, want := range [][]Entry{{someEntry(2)}, {someEntry(2), someEntry(3)}} {
				got, err := app.History()
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("error %v, history (-want +got):\n%s", err, diff)
				}
				if len(want) == 1 {
					if err := app.Append(someEntry(3)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestAppend_keepsATornLineApart(t *testing.T) {
	app := newApp(t, "web")
	writeTestFile(t, app.Path(historyFile), "torn")
	if err := os.Chmod(app.Path(historyFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := app.Append(Entry{Kind: KindRecover, Outcome: Undone}); err != nil {
		t.Fatal(err)
	}
	want := "torn\n{\"time\":\"0001-01-01T00:00:00Z\",\"kind\":\"recover\",\"outcome\":\"undone\",\"seconds\":0,\"drained\":false}\n"
	if diff := cmp.Diff(want, readTestFile(t, app.Path(historyFile))); diff != "" {
		t.Errorf("history.jsonl (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(app.Path(historyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestLastEntry_isTheLastThatHistoryHas(t *testing.T) {
	long := someEntry(3)
	long.Error = strings.Repeat("a long error ", tailBlock)
	for name, entries := range map[string][]Entry{
		"no history": nil, "one entry": {someEntry(2)}, "several": {someEntry(2), someEntry(3), someEntry(4)},
		"one that is longer than what is read at first": {someEntry(2), long},
	} {
		for _, torn := range []string{"", `{"time":"2026-11-23T14:0`, "\x00\x00", "not json\n", "\n\n", strings.Repeat("x", 3*tailBlock)} {
			app := newApp(t, "web")
			for _, entry := range entries {
				if err := app.Append(entry); err != nil {
					t.Fatal(err)
				}
			}
			if len(entries) > 0 {
				writeTestFile(t, app.Path(historyFile), readTestFile(t, app.Path(historyFile))+torn)
			}
			want := Entry{}
			if len(entries) > 0 {
				want = entries[len(entries)-1]
			}
			got, ok, err := app.LastEntry()
			if diff := cmp.Diff(want, got); diff != "" || ok != (len(entries) > 0) || err != nil {
				t.Errorf("%s, then %.30q: %v, %v, entry (-want +got):\n%s", name, torn, ok, err, diff)
			}
		}
	}
}

// TestLastEntry_readsNoMoreThanTheEnd has it read a history that fits into no
// memory.
func TestLastEntry_readsNoMoreThanTheEnd(t *testing.T) {
	app := newApp(t, "web")
	writeTestFile(t, app.Path(historyFile), "")
	if err := os.Truncate(app.Path(historyFile), 1<<42); err != nil {
		t.Fatal(err)
	}
	if err := app.Append(someEntry(2)); err != nil {
		t.Fatal(err)
	}
	got, ok, err := app.LastEntry()
	if diff := cmp.Diff(someEntry(2), got); diff != "" || !ok || err != nil {
		t.Errorf("%v, %v, entry (-want +got):\n%s", ok, err, diff)
	}
}
