package checks

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// say is a server that says the text and hangs up.
func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// sayAndHold is a server that says the text and then waits.
func sayAndHold(text string) func(net.Conn) {
	return func(c net.Conn) { say(text)(c); hold(c) }
}

// sayAndReset is a server that says the text and breaks the connection.
func sayAndReset(text string) func(net.Conn) {
	return func(c net.Conn) {
		say(text)(c)
		_ = c.(*net.TCPConn).SetLinger(0)
	}
}

// repeat is a server that says the beginning and then more without end.
func repeat(beginning, more string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, beginning)
		for err == nil {
			_, err = io.WriteString(c, more)
			if pause > 0 {
				<-time.After(pause)
			}
		}
	}
}

// slowly is a server that says the text one byte at a time.
func slowly(text string) func(net.Conn) {
	return func(c net.Conn) {
		for i := range len(text) {
			if _, err := c.Write([]byte{text[i]}); err != nil {
				return
			}
			<-time.After(100 * time.Millisecond)
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\n"

// A misbehaviour is what a server does in place of answering well.
type misbehaviour struct {
	name   string
	handle func(net.Conn)
	want   string // one outcome of the tries
}

const noWholeAnswer = "no whole answer"

// misbehaviours are servers that must never pass a check of their body.
var misbehaviours = []misbehaviour{
	{"accepts and never answers", hold, noWholeAnswer},
	{"one byte at a time", slowly(ok + "Content-Length: 7\r\n\r\nwelcome"), noWholeAnswer},
	{"a body of one byte at a time", repeat(ok+"\r\n", "x", 5*time.Millisecond), noWholeAnswer},
	{"resets at once", sayAndReset(""), "connection reset"},
	{"resets in the status line", sayAndReset("HTTP/1.1 2"), "connection reset"},
	{"resets in the header", sayAndReset(ok + "Server: x\r\n"), "connection reset"},
	{"resets in the body", sayAndReset(ok + "Content-Length: 500\r\n\r\nhello"), "body that broke off"},
	{"closes at once", say(""), "connection closed without an answer"},
	{"closes in the status line", say("HTTP/1.1 2"), "connection closed within the answer"},
	{"closes in the header", say(ok + "Server: x\r\n"), "connection closed within the answer"},
	{"a status line alone", sayAndHold(ok), noWholeAnswer},
	{"an endless status line", repeat("HTTP/1.1 200 ", strings.Repeat("x", 1000), 0), "answer that is not valid HTTP"},
	{"endless headers", repeat(ok, "X-More: "+strings.Repeat("x", 1000)+"\r\n", 0), "answer that is not valid HTTP"},
	{"one endless header", repeat(ok+"X-More: ", strings.Repeat("x", 1000), 0), "answer that is not valid HTTP"},
	{"endless early hints", repeat("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0), "answer that is not valid HTTP"},
	{"100-continue forever", repeat("", "HTTP/1.1 100 Continue\r\n\r\n", 0), "answer that is not valid HTTP"},
	{"100-continue forever, and slowly", repeat("", "HTTP/1.1 100 Continue\r\n\r\n", 5*time.Millisecond), noWholeAnswer},
	{"a protocol that nobody wanted", sayAndHold("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "101"},
	{"a location with control characters", say("HTTP/1.1 302 Found\r\nLocation: /\x1b[31m\r\n\r\n"), "answer that is not valid HTTP"},
	{"a location that is none", say("HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n"), "302"},
	{"announces more than it sends", say(ok + "Content-Length: 500\r\n\r\nhello"), "body that broke off"},
	{"announces less than it sends", say(ok + "Content-Length: 3\r\n\r\nwelcome"), "200 without"},
	{"a negative length", say(ok + "Content-Length: -5\r\n\r\nhello"), "answer that is not valid HTTP"},
	{"a length that is no number", say(ok + "Content-Length: 0x7\r\n\r\nwelcome"), "answer that is not valid HTTP"},
	{"a length beyond all numbers", say(ok + "Content-Length: 99999999999999999999\r\n\r\nwelcome"), "answer that is not valid HTTP"},
	{"two different lengths", say(ok + "Content-Length: 5\r\nContent-Length: 7\r\n\r\nwelcome"), "answer that is not valid HTTP"},
	{"chunks of garbage", say(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nwelcome\r\n"), "body that broke off"},
	{"a chunk longer than announced", say(ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nwelcome\r\n0\r\n\r\n"), "body that broke off"},
	{"a chunk that never ends", sayAndHold(ok + "Transfer-Encoding: chunked\r\n\r\nfffffff\r\nwelc"), noWholeAnswer},
	{"an endless chunk size", repeat(ok+"Transfer-Encoding: chunked\r\n\r\n", "0", 0), "body that broke off"},
	{"gzip that is none", say(ok + "Content-Encoding: gzip\r\n\r\nwelcome"), "body that broke off"},
	{"gzip within gzip within gzip", say(ok + "Content-Encoding: gzip" + strings.Repeat(", gzip", 5000) + "\r\n\r\nwelcome"), "body that broke off"},
	{"HTTP/0.9", say("<html>welcome</html>\n"), "answer that is not valid HTTP"},
	{"another protocol", sayAndHold("220 mail.example.com ESMTP\r\n"), "answer that is not valid HTTP"},
	{"TLS on the plain port", sayAndHold("\x15\x03\x01\x00\x02\x02\x46"), "TLS instead of plain HTTP"},
	{"HTTP/2", sayAndHold("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff\xff\xff\n"), "answer that is not valid HTTP"},
	{"control characters in a header", say(ok + "Server: \x1b[2J\x07\r\n\r\nhello"), "answer that is not valid HTTP"},
	{"control characters in the status line", say("HTTP/1.1 503 \x1b[2J\x07\r\n\r\n\x1b[2Jhello"), "503"},
	{"control characters for a status", say("HTTP/1.1 \x1b[2J\r\n\r\n"), "answer that is not valid HTTP"},
	{"a header without a colon", say(ok + "\x1b[2Jwelcome\r\n\r\n"), "answer that is not valid HTTP"},
	{"ten thousand cookies", say(ok + strings.Repeat("Set-Cookie: a=b; c\r\n", 10_000) + "\r\nhello"), "200 without"},
	{"status 999", say("HTTP/1.1 999 Ok\r\n\r\nwelcome"), "999"},
	{"status 099", say("HTTP/1.1 099 Ok\r\n\r\nwelcome"), "99"},
	{"status 20", say("HTTP/1.1 20 OK\r\n\r\nwelcome"), "answer that is not valid HTTP"},
	{"status -20", say("HTTP/1.1 -20 OK\r\n\r\nwelcome"), "answer that is not valid HTTP"},
	{"NUL bytes", say(strings.Repeat("\x00", 10_000)), "answer that is not valid HTTP"},
	{"a failure with an endless body", sayAndHold("HTTP/1.1 503 Busy\r\n\r\nplease wait"), "503"},
}

// Many of them are asked in one run, as the replicas of one app are.
func TestRun_endsWithinItsBudgetHoweverTheServerMisbehaves(t *testing.T) {
	t.Cleanup(func() { noTrace(t) })
	file := quick(t, "/ welcome",
		"/match", "#: match welcome",
		"/json", "#: json welcome",
		"/all welcome", "#: match welcome", "#: json welcome")
	silent := func(m misbehaviour) bool { return m.want == noWholeAnswer }
	file.Timeout = time.Second
	assertMisbehaved(t, file, slices.DeleteFunc(slices.Clone(misbehaviours), func(m misbehaviour) bool { return !silent(m) }))
	// These say something at once. How soon it is read is the machine's business,
	// which has servers among them that send as fast as they can.
	file.Timeout = 2 * time.Second
	for some := range slices.Chunk(slices.DeleteFunc(slices.Clone(misbehaviours), silent), 10) {
		assertMisbehaved(t, file, some)
	}
}

func assertMisbehaved(t *testing.T, file File, all []misbehaviour) {
	t.Helper()
	report := Run(t.Context(), file, misbehaving(t, all), Options{})
	if budget := file.Budget(file.Checks[0]); report.Elapsed > budget+patience/2 {
		t.Errorf("took %v, want about %v", report.Elapsed, budget)
	}
	for i, result := range report.Results {
		tt := all[i/len(file.Checks)]
		if result.OK || !strings.Contains(result.Summary(), tt.want) {
			t.Errorf("%s, %s: OK = %v, summary = %q, want %q in it", tt.name, result.Check.Raw, result.OK, result.Summary(), tt.want)
		}
		assertScreen(t, unfit(t, Report{Source: "CHECKS", Results: []Result{result}}).Error())
	}
}

// misbehaving starts the servers that do.
func misbehaving(t *testing.T, all []misbehaviour) []Target {
	t.Helper()
	var targets []Target
	for _, tt := range all {
		targets = append(targets, Target{Name: tt.name, Address: misbehave(t, tt.handle)})
	}
	return targets
}

// endsUnfit runs the file, which must not pass, must end in time, and must tell
// of it in a text that is safe.
func endsUnfit(t *testing.T, file File, address string) Result {
	t.Helper()
	started := time.Now()
	report := Run(t.Context(), file, []Target{{Name: "web-1", Address: address}}, Options{})
	if took := time.Since(started); took > file.Budget(file.Checks[0])+patience/2 {
		t.Errorf("took %v, want about %v", took, file.Budget(file.Checks[0]))
	}
	text := unfit(t, report).Error()
	assertScreen(t, text)
	return report.Results[0]
}

// assertScreen holds that the text fits a terminal, and does it no harm.
func assertScreen(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	if len(lines) > 20 {
		t.Errorf("%d lines, want at most 20", len(lines))
	}
	for _, line := range lines {
		if len([]rune(line)) > 100 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Errorf("unfit line %q", line)
		}
	}
}

func TestRun_readsNoBodyOfARedirect(t *testing.T) {
	for _, server := range []func(net.Conn){
		say("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
		sayAndHold("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\nx"),
	} {
		report := verdict(t, patient(t, "/"), Target{Name: "web-1", Address: misbehave(t, server)})
		if got := report.Results[0].Tallies[0].What; got != "redirects without end" {
			t.Errorf("tally = %q, want the redirects", got)
		}
	}
	noTrace(t)
}

func TestRun_givesUpOnABodyWhoseStatusHasFailed(t *testing.T) {
	file := quick(t, "/")
	file.Timeout, file.Attempts = 1500*time.Millisecond, 1
	result := endsUnfit(t, file, misbehave(t, sayAndHold("HTTP/1.1 503 Busy\r\n\r\nplease wait")))
	if result.Attempts < 2 || string(result.Answer.Body()) != "please wait" {
		t.Errorf("result = %+v, want several tries and the body that came", result)
	}
}

func TestRun_takesTheAnswerAfterInterimOnes(t *testing.T) {
	address := misbehave(t, say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok+"Content-Length: 7\r\n\r\nwelcome"))
	if err := Run(t.Context(), patient(t, "/ welcome"), []Target{{Name: "web-1", Address: address}}, Options{}).Err(); err != nil {
		t.Error(err)
	}
}

func TestRun_takesTheAnswerOfAnAppThatHangsUpUnread(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			say(ok + "Content-Length: 7\r\n\r\nwelcome")(c)
			_ = c.(*net.TCPConn).CloseWrite()
			hold(c)
			_ = c.Close()
		}
	}()
	report := Run(t.Context(), patient(t, "/ welcome"), []Target{{Name: "web-1", Address: listener.Addr().String()}}, Options{})
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	noTrace(t)
}

func TestRun_leavesNoConnectionToAnAppThatIsSlow(t *testing.T) {
	var gone = make(chan struct{}, 1)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "busy")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		select {
		case gone <- struct{}{}:
		default:
		}
	})
	Run(t.Context(), quick(t, "/ welcome"), []Target{{Name: "web-1", Address: address}}, Options{})
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the app never learnt that the check is over")
	}
}
