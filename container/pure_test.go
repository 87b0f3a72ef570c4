package container

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/system"
	"github.com/google/go-cmp/cmp"
)

func TestReadPull_addsUpTheLayersAndStopsAtAnError(t *testing.T) {
	t.Parallel()
	const whole = `{"status":"Pulling from acme/web","id":"1.4.2"}
{"status":"Pulling fs layer","id":"aa"}
{"status":"Already exists","id":"cc"}
{"status":"Downloading","progressDetail":{"current":30,"total":100},"id":"aa"}
{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"bb"}
{"status":"Download complete","id":"aa"}
{"status":"Extracting","progressDetail":{"current":10,"total":100},"id":"aa"}
{"status":"Pull complete","id":"aa"}
{"status":"Status: Downloaded newer image for acme/web:1.4.2"}
`
	var last Progress
	if err := readPull(iotest.OneByteReader(strings.NewReader(whole)), "web", func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	want := Progress{Ref: "web", Layers: 3, Ready: 2, Done: 105, Total: 150}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("progress (want, got):\n%s", diff)
	}
	for what, stream := range map[string]string{
		"error":  whole + `{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}` + "\n" + whole,
		"cut":    whole[:len(whole)-10],
		"no API": "<html>a proxy's page</html>",
	} {
		if err := readPull(strings.NewReader(stream), "web", nil); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	broken := errors.New("connection reset")
	if err := readPull(iotest.ErrReader(broken), "web", nil); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestReadPull_reportsAtMostNowAndThen(t *testing.T) {
	t.Parallel()
	line := `{"status":"Downloading","progressDetail":{"current":30,"total":100},"id":"aa"}` + "\n"
	calls := 0
	if err := readPull(strings.NewReader(strings.Repeat(line, 2000)), "web", func(Progress) { calls++ }); err != nil {
		t.Fatal(err)
	}
	if calls < 2 || calls > 200 {
		t.Errorf("%d reports of 2000 messages", calls)
	}
}

func TestPrintable_escapesWhatATerminalWouldObey(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"plain words, tab\tand ümlaut ✓": "plain words, tab\tand ümlaut ✓",
		"\x1b[2Jgone":                    `\x1b[2Jgone`,
		"over\rwritten":                  `over\rwritten`,
		"bell\a nul\x00 del\x7f":         `bell\a nul\x00 del\x7f`,
		"right\u202eto left":             `right\u202eto left`,
		"cut \xc3":                       `cut \xc3`,
		"the real \uFFFD":                `the real \ufffd`,
		"c1 \u009b31m":                   `c1 \u009b31m`,
	} {
		if got := printable(line); got != want {
			t.Errorf("printable(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestLineWriter_joinsPiecesAndBoundsLines(t *testing.T) {
	t.Parallel()
	kept := &tail{limit: 3}
	writer := &lineWriter{to: kept}
	long := strings.Repeat("y", MaxLogLine)
	for _, piece := range []string{"lost\nfir", "st\r\n", "\n", long, "abc", "\nrest"} {
		if n, err := writer.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	writer.flush()
	writer.flush()
	want := []string{"", long + " … (3 bytes more)", "rest"}
	if diff := cmp.Diff(want, kept.lines); diff != "" {
		t.Errorf("lines (want, got):\n%s", diff)
	}
}

func TestParseSubnet_acceptsOnlyWhatCanBeUsed(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"10.210.0.0/16": true, "192.168.7.0/24": true, "127.210.0.0/16": true, "10.0.0.0/8": true,
		"10.210.0.1/16": false, "10.210.0.0": false, "fd00::/64": false, "10.0.0.0/25": false, "0.0.0.0/0": false, "": false,
	} {
		_, err := parseSubnet(text)
		var invalid *InvalidSubnet
		if good != (err == nil) || !good && !errors.As(err, &invalid) {
			t.Errorf("parseSubnet(%q): %v", text, err)
		}
	}
}

func TestDescribe_setsTheLastSixteenthApart(t *testing.T) {
	t.Parallel()
	for subnet, want := range map[string][2]string{
		"10.210.0.0/16":  {"10.210.0.1", "10.210.240.0/20"},
		"192.168.7.0/24": {"192.168.7.1", "192.168.7.240/28"},
		"10.64.0.0/10":   {"10.64.0.1", "10.124.0.0/14"},
	} {
		got := describe("id", "name", netip.MustParsePrefix(subnet))
		if got.Gateway.String() != want[0] || got.Dynamic.String() != want[1] {
			t.Errorf("%s: gateway %s, dynamic %s; want %v", subnet, got.Gateway, got.Dynamic, want)
		}
	}
}

func TestAppendUse_ignoresDefaultRoutes(t *testing.T) {
	t.Parallel()
	var used []use
	for _, text := range []string{"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "not a prefix", "10.215.3.4/20"} {
		used = appendUse(used, text, "a route")
	}
	if len(used) != 1 {
		t.Fatalf("used: %v", used)
	}
	for subnet, want := range map[string]string{"10.215.0.0/16": "a route (10.215.3.4/20)", "10.216.0.0/16": ""} {
		if got := overlap(used, netip.MustParsePrefix(subnet)); got != want {
			t.Errorf("overlap with %s: %q, want %q", subnet, got, want)
		}
	}
}

func TestTCPPorts_takesRangesAndLeavesUDPOut(t *testing.T) {
	t.Parallel()
	got, err := tcpPorts(map[string]struct{}{"8081/tcp": {}, "53/udp": {}, "9000-9002/tcp": {}, "80": {}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{80, 8081, 9000, 9001, 9002}, got); diff != "" {
		t.Errorf("ports (want, got):\n%s", diff)
	}
	if _, err := tcpPorts(map[string]struct{}{"http/tcp": {}}); err == nil {
		t.Error("a port that is no number: no error")
	}
}

func TestDigestOf_picksTheRepositoryThatWasAskedFor(t *testing.T) {
	t.Parallel()
	sum := "@sha256:" + strings.Repeat("a", 64)
	known := []string{"elsewhere.example/web" + sum, "acme/web" + sum}
	for ref, want := range map[string]string{
		"acme/web:1.4": known[1], "docker.io/acme/web": known[1], "elsewhere.example/web:x": known[0], "acme/shop": "",
	} {
		if got := digestOf(ref, known); got != want {
			t.Errorf("digestOf(%q) = %q, want %q", ref, got, want)
		}
	}
}

func TestNetworkName_isPlainForTheDefaultRootOnly(t *testing.T) {
	t.Parallel()
	if got := (&Engine{root: DefaultRoot}).networkName(); got != "zdd" {
		t.Errorf("default root: %q", got)
	}
	other, another := (&Engine{root: "/srv/a"}).networkName(), (&Engine{root: "/srv/b"}).networkName()
	if len(other) != len("zdd-")+8 || other == another {
		t.Errorf("names %q and %q", other, another)
	}
}

func TestLogConfig_boundsOnlyDriversThatWriteFiles(t *testing.T) {
	t.Parallel()
	bounded := map[string]string{"max-size": "10m", "max-file": "3"}
	for driver, want := range map[string]container.LogConfig{
		"json-file": {Type: "json-file", Config: bounded},
		"local":     {Type: "local", Config: bounded},
		"journald":  {},
		"awslogs":   {},
	} {
		// Not on an engine: one whose own default is the same would hide it.
		got := Spec{}.hostConfig("zdd", system.Info{LoggingDriver: driver}).LogConfig
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (want, got):\n%s", driver, diff)
		}
	}
}
