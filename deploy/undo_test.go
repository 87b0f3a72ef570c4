package deploy

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUndo_runsLastToFirstPastFailures(t *testing.T) {
	var order []string
	var u undo
	back := func(what string, err error) {
		u.add(what, func(context.Context) error { order = append(order, what); return err })
	}
	back("the first", nil)
	back("the second", errors.New("stuck"))
	back("the third", nil)

	err := u.run(t.Context(), time.Minute)

	if diff := cmp.Diff([]string{"the third", "the second", "the first"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if want := "undoing the second: stuck"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %q", err, want)
	}
}

func TestUndo_keepsTheContainersWhenRequestsCannotBeTakenBack(t *testing.T) {
	var order []string
	var u undo
	u.add("the start", func(context.Context) error { order = append(order, "the start"); return nil })
	u.addTraffic("the switch", func(context.Context) error { return errors.New("read-only file system") })

	err := u.run(t.Context(), time.Minute)

	if len(order) != 0 {
		t.Errorf("undone: %v, want nothing: requests still go there", order)
	}
	if want := "undoing the switch: read-only file system"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %q", err, want)
	}
}

func TestUndo_outlivesTheInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var u undo
	u.add("the start", func(ctx context.Context) error { return ctx.Err() })
	if err := u.run(ctx, time.Minute); err != nil {
		t.Errorf("error = %v, want none", err)
	}
}

func TestUndo_doesNothingAfterTheCommit(t *testing.T) {
	var u undo
	u.add("the start", func(context.Context) error { t.Error("undone after the commit"); return nil })
	u.forget()
	if err := u.run(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
}
