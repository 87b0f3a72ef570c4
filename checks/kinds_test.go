package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inside is what a test's container answers.
type inside struct {
	run   func(ctx context.Context, command []string, out io.Writer) (int, error)
	since func(ctx context.Context) (time.Time, error)
}

func (i inside) Run(ctx context.Context, command []string, out io.Writer) (int, error) {
	return i.run(ctx, command, out)
}

func (i inside) Since(ctx context.Context) (time.Time, error) { return i.since(ctx) }

func TestRun_connectsByTCP(t *testing.T) {
	accepted := make(chan string, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if c, err := listener.Accept(); err == nil {
			sent, _ := io.ReadAll(c)
			accepted <- string(sent)
			_ = c.Close()
		}
	}()
	report := Run(t.Context(), patient(t, "#: tcp"), []Target{{Name: "db-1", Address: listener.Addr().String()}}, Options{})
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if sent := <-accepted; sent != "" {
		t.Errorf("%q was sent, want nothing", sent)
	}
	noTrace(t)
}

func TestRun_tellsOfATCPPortThatIsClosed(t *testing.T) {
	result := endsUnfit(t, quick(t, "#: tcp"), closedAddress(t))
	if got := result.Tallies[0].What; got != "connection refused" || len(result.Tallies) != 1 {
		t.Errorf("tallies = %v, want refusals alone", result.Tallies)
	}
	noTrace(t)
}

// A listener whose queue is full drops the packets that ask for a connection,
// as a firewall does.
func TestRun_givesUpOnAPortThatIsFiltered(t *testing.T) {
	address := deafAddress(t)
	for _, line := range []string{"#: tcp", "/", "#: grpc"} {
		file := quick(t, line)
		file.Timeout, file.Attempts = 100*time.Millisecond, 4
		result := endsUnfit(t, file, address)
		want := fmt.Sprintf("%d × no connection within %s", result.Attempts, seconds(file.Timeout))
		if got := result.Summary(); got != want || result.Attempts < 2 {
			t.Errorf("%s: summary = %q, want %q", line, got, want)
		}
	}
	noTrace(t)
}

// deafAddress is one at which connections are neither accepted nor refused.
func deafAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
	for range 8 { // more than the queue holds
		c, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("this kernel's queue of a listener has no end")
	return ""
}

func TestRun_runsACommandInTheTarget(t *testing.T) {
	var got []string
	app := inside{run: func(_ context.Context, command []string, out io.Writer) (int, error) {
		got = command
		_, err := io.WriteString(out, "all is well")
		return 0, err
	}}
	report := Run(t.Context(), patient(t, "#: command bin/ready --name 'a b'"), []Target{{Name: "web-1", Inside: app}}, Options{})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bin/ready", "--name", "a b"}, got); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if output := string(report.Results[0].Output); output != "all is well" {
		t.Errorf("output = %q", output)
	}
}

func TestRun_tellsWhyACommandDidNotPass(t *testing.T) {
	tests := []struct {
		name                   string
		run                    func(ctx context.Context, command []string, out io.Writer) (int, error)
		tally, detail, missing string
		output                 string
		beginning              bool // of the output is cut
	}{
		{"it exits with another code", func(_ context.Context, _ []string, out io.Writer) (int, error) {
			_, err := io.WriteString(out, "no database\n")
			return 3, err
		}, "exit code 3", "", "exit code 0", "no database\n", false},
		{"it says a lot", func(_ context.Context, _ []string, out io.Writer) (int, error) {
			for i := range 10_000 {
				fmt.Fprintf(out, "line %d\n", i)
			}
			return 1, nil
		}, "exit code 1", "", "exit code 0", "line 9998\nline 9999\n", true},
		{"it says it at once", func(_ context.Context, _ []string, out io.Writer) (int, error) {
			_, err := io.WriteString(out, strings.Repeat("x", 100_000)+"the end")
			return 1, err
		}, "exit code 1", "", "exit code 0", "xthe end", true},
		{"it cannot be run", func(context.Context, []string, io.Writer) (int, error) {
			return 0, errors.New("no such file \x1b[31m")
		}, "the command could not be run", `no such file \x1b[31m`, "", "", false},
		{"it does not end", func(ctx context.Context, _ []string, out io.Writer) (int, error) {
			_, _ = io.WriteString(out, "waiting")
			<-ctx.Done()
			return -1, ctx.Err()
		}, "no end of the command within 2.0 s", "", "", "waiting", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := fileOf(t, "TIMEOUT=2\nWAIT=1\nATTEMPTS=2\n#: command a")
				report := Run(t.Context(), file, []Target{{Name: "web-1", Inside: inside{run: tt.run}}}, Options{})
				r := report.Results[0]
				got := []string{r.Tallies[0].What, r.Detail, r.Missing}
				if diff := cmp.Diff([]string{tt.tally, tt.detail, tt.missing}, got); diff != "" || report.Passed() {
					t.Errorf("Passed = %v; result (-want +got):\n%s", report.Passed(), diff)
				}
				if output := string(r.Output); !strings.HasSuffix(output, tt.output) || tt.beginning && len(output) != maxOutput || !tt.beginning && output != tt.output {
					t.Errorf("output of %d bytes ends with %q, want %q", len(output), output[max(0, len(output)-40):], tt.output)
				}
				if report.Elapsed != 6*time.Second {
					t.Errorf("took %v, want the budget of 6 s", report.Elapsed)
				}
				assertScreen(t, unfit(t, report).Error())
			})
		})
	}
}

func TestRun_waitsUntilTheTargetHasBeenUpForLongEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := time.Now().Add(-4 * time.Second)
		began := first
		app := inside{since: func(context.Context) (time.Time, error) {
			if began == first && time.Since(first) > 10*time.Second { // it restarts once
				began = time.Now()
			}
			return began, nil
		}}
		report := Run(t.Context(), fileOf(t, "#: uptime 20"), []Target{{Name: "web-1", Inside: app}}, Options{})
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		if took := report.Elapsed; took < 26*time.Second || took > 28*time.Second {
			t.Errorf("took %v, want 6 s before the restart and 20 s after it", took)
		}
		if got := report.Results[0].Tallies[0].What; got != "not up for long enough" {
			t.Errorf("tally = %q", got)
		}
	})
}

func TestRun_countsTheUptimeFromItsBeginningWhereNobodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report := Run(t.Context(), fileOf(t, "#: uptime 8"), target("web-1", nil), Options{})
		if err := report.Err(); err != nil || report.Elapsed < 8*time.Second || report.Elapsed > 8*time.Second*103/100 {
			t.Errorf("after %v: %v, want a pass after 8 s", report.Elapsed, err)
		}
	})
}

func TestRun_givesUpOnAnEngineThatDoesNotSaySinceWhen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		since func(ctx context.Context) (time.Time, error)
		want  string
	}{
		{"it hangs", func(ctx context.Context) (time.Time, error) { <-ctx.Done(); return time.Time{}, ctx.Err() }, "no word of the engine within 2.0 s"},
		{"it fails", func(context.Context) (time.Time, error) { return time.Time{}, errors.New("no such container") }, "its start is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := fileOf(t, "TIMEOUT=2\nWAIT=1\nATTEMPTS=2\n#: uptime 4")
				report := Run(t.Context(), file, []Target{{Name: "web-1", Inside: inside{since: tt.since}}}, Options{})
				if got := report.Results[0].Summary(); report.Passed() || !strings.HasSuffix(got, tt.want) || report.Elapsed != 10*time.Second {
					t.Errorf("after %v: %q, want %q after 10 s", report.Elapsed, got, tt.want)
				}
			})
		})
	}
}

func TestRun_refusesWhatTheTargetCannotBeAsked(t *testing.T) {
	for _, tt := range []struct {
		line   string
		target Target
		detail string
	}{
		{"#: command a", Target{Name: "nginx"}, "there is no container to ask"},
		{"#: tcp", Target{Name: "nginx", Transport: app(nil)}, "a connection cannot be made through nginx"},
		{"#: grpc", Target{Name: "nginx", Transport: app(nil)}, "gRPC does not go through nginx's site"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := Run(t.Context(), fileOf(t, tt.line), []Target{tt.target}, Options{}).Results[0]
			if r.OK || r.Tallies[0].What != "not possible here" || r.Detail != tt.detail {
				t.Errorf("%s: result %+v, want detail %q", tt.line, r, tt.detail)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		file := Default()
		file.Checks = []Check{{Kind: "smoke"}}
		if r := Run(t.Context(), file, target("web-1", nil), Options{}).Results[0]; r.OK || r.Tallies[0].What != "a kind of check that is not known: smoke" {
			t.Errorf("result = %+v, want the kind refused", r)
		}
	})
}
