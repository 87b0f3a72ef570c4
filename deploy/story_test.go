package deploy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zdd/container/dockertest"
	"zdd/deploy"
	"zdd/release"
)

// beforeCommit and afterIt are the events that every move has.
var (
	beforeCommit = []string{
		"start started", "start done", "check started", "check done", "site started", "site done",
		"switch started", "switch done", "verify started", "verify done", "commit started", "commit done",
	}
	afterIt = []string{"drain started", "drain done", "retire started", "retire done"}
)

func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func TestDeploy_tellsItsStepsInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begin := []string{"lock started", "lock done", "resolve started", "resolve done"}
	for _, tt := range []struct {
		name string
		do   command
		want []string
	}{
		{"a first deploy, which has nothing to drain", deploying(web, w.image()),
			join(begin, beforeCommit, afterIt[2:], []string{"deploy done"})},
		{"a later one", deploying(web, w.image()),
			join(begin, beforeCommit, afterIt, []string{"deploy done"})},
		{"one with a release command", deploying(web, w.image(), releaseCommand("migrate all")),
			join(begin, []string{"release-command started", "release-command done"}, beforeCommit, afterIt, []string{"deploy done"})},
		{"a rollback", rollingBack(web, 0),
			join(begin, beforeCommit, afterIt, []string{"rollback done"})},
	} {
		e := w.must(tt.do)
		if diff := cmp.Diff(tt.want, e.steps()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	e := w.run(t.Context(), ignore, deploying(web, w.image(), env("EXIT", "3")))
	want := join(begin, []string{"release-command started", "release-command done"}, beforeCommit[:3],
		[]string{"check failed", "undo started", "undo done", "deploy failed"})
	if diff := cmp.Diff(want, e.steps()); diff != "" {
		t.Errorf("one that fails (-want +got):\n%s", diff)
	}
	w.assertServes(web, 2)
}

func TestDeploy_endsWithAnOutcomeForPipelines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.image()
	w.must(deploying(web, first))
	second := w.image()
	e := w.must(deploying(web, second))
	want := deploy.Outcome{Serving: 2, Slot: "green", Image: second, Drained: true, LiveSeconds: e.outcome.LiveSeconds}
	if diff := cmp.Diff(want, e.outcome); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	last := e.events[len(e.events)-1]
	if e.outcome.LiveSeconds <= 0 || e.outcome.LiveSeconds > last.Seconds {
		t.Errorf("live after %g s of %g s", e.outcome.LiveSeconds, last.Seconds)
	}

	e = w.run(t.Context(), ignore, deploying(web, w.image(), env("EXIT", "3")))
	failure := e.failure(t)
	want = deploy.Outcome{Serving: 2, Slot: "green", Image: second, Error: failure.Error(), Hint: failure.Hint, Exit: deploy.ExitUnfit}
	if diff := cmp.Diff(want, e.outcome); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&want, e.events[len(e.events)-1].Outcome); diff != "" {
		t.Errorf("its last event (-want +got):\n%s", diff)
	}
	if want := "release 2 (" + second + "), as before"; failure.Serving != want {
		t.Errorf("serving: %q, want %q", failure.Serving, want)
	}
	if diff := cmp.Diff([]string{"starting"}, failure.Logs); diff != "" {
		t.Errorf("its log (-want +got):\n%s", diff)
	}
}

func TestHistory_saysWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	images := []string{w.image(), w.image(), w.image(), w.image()}
	w.must(deploying(web, images[0]))
	w.must(deploying(web, images[1]))
	w.run(t.Context(), ignore, deploying(web, images[2], env("EXIT", "3")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.run(ctx, at("start started", 1, cancel), deploying(web, images[3]))
	w.must(rollingBack(web, 0))
	w.killed("check started", 1, "deploy", web, images[3])
	w.must(recovering(web))
	w.assertHistory(web,
		release.Entry{Kind: "deploy", Release: 1, Image: images[0], Outcome: release.Done, Drained: true, Serving: 1},
		release.Entry{Kind: "deploy", Release: 2, From: 1, Image: images[1], Outcome: release.Done, Drained: true, Serving: 2},
		release.Entry{Kind: "deploy", Release: 3, From: 2, Image: images[2], Outcome: release.Failed, Step: "check", Serving: 2},
		release.Entry{Kind: "deploy", Release: 4, From: 2, Image: images[3], Outcome: release.Interrupted, Step: "start", Serving: 2},
		release.Entry{Kind: "rollback", Release: 1, From: 2, Image: images[0], Outcome: release.Done, Drained: true, Serving: 1},
		release.Entry{Kind: "deploy", Release: 5, From: 1, Image: images[3], Outcome: release.Undone, Step: "recover", Serving: 1},
	)
}

// TestDeploy_saysThatItWaitsForAnotherChangeOfNginx, in a pipe too, where nobody
// sees its progress.
func TestDeploy_saysThatItWaitsForAnotherChangeOfNginx(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	lock, err := w.store.Lock(t.Context(), release.Self("zdd deploy shop"), nil)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	go func() {
		<-told
		_ = lock.Unlock() // the lock ends in any case
	}()
	e := w.run(t.Context(), at("lock warning", 1, func() { close(told) }), recovering(web))
	if e.err != nil || len(e.warnings()) != 1 || !strings.Contains(e.warnings()[0], "zdd deploy shop") {
		t.Errorf("error %v, warnings %q; want one that names the holder", e.err, e.warnings())
	}
}

// TestHistory_hasEachNumberOnce: a deploy that is interrupted before its number
// is written down leaves it to the next one.
func TestHistory_hasEachNumberOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(deploying(web, w.image()))
	image := w.image()
	for nth := 1; ; nth++ {
		ctx, interrupt := context.WithCancel(t.Context())
		w.fake.Before(dockertest.OpInspectImage, nth, interrupt)
		w.run(ctx, ignore, deploying(web, image))
		interrupt()
		if w.state(web).Next > 2 { // it has its number
			if nth < 3 {
				t.Fatalf("it was interrupted %d times before, want twice", nth-1)
			}
			break
		}
	}
	w.must(deploying(web, image))
	entries, err := w.app(web).History()
	if err != nil {
		t.Fatal(err)
	}
	lines := map[int]int{}
	for _, entry := range entries {
		if lines[entry.Release]++; lines[entry.Release] > 1 {
			t.Errorf("history has release %d again: %+v", entry.Release, entry)
		}
	}
}
