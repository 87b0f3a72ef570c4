package container_test

import (
	"bytes"
	"testing"
	"time"

	zdd "zdd/container"
)

// runsToItsEnd runs a command that ends at once, and wants to hear it.
func runsToItsEnd(t *testing.T, engine *zdd.Engine, spec zdd.Spec) {
	t.Helper()
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- engine.RunOnce(t.Context(), spec, []string{"say", "0", "last words"}, &out) }()
	select {
	case err := <-ended:
		if err != nil || out.String() != "last words\n" {
			t.Fatalf("RunOnce: %v, and it wrote %q", err, &out)
		}
	case <-time.After(patience):
		t.Fatal("RunOnce never ended")
	}
}

// TestRunOnce_hearsACommandThatEndsAtOnce: on the fake, whose containers end
// within the call that starts them.
func TestRunOnce_hearsACommandThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := fakeWorld(t)
	for range 100 {
		runsToItsEnd(t, w.engine, w.spec(1))
	}
}

// TestRunOnce_endsWithTheCommandThoughItsOutputDoesNot: an engine, or what is on
// the way to it, can forget to end the stream of a command that has ended.
func TestRunOnce_endsWithTheCommandThoughItsOutputDoesNot(t *testing.T) {
	t.Parallel()
	w := fakeWorld(t)
	line := newLine(t, w.config.Host) // which ends no connection by itself
	engine, err := zdd.Connect(t.Context(), zdd.Config{Root: w.config.Root, Host: line.host})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	runsToItsEnd(t, engine, w.spec(1))
}
