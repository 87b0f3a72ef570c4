package deploy

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"zdd/nginx"
)

// TestError_callsAnOperatorOnlyForWhatIsLeft: 7 is for what was not undone in the
// end, whatever was in its way.
func TestError_callsAnOperatorOnlyForWhatIsLeft(t *testing.T) {
	refused, gone := &nginx.Refused{Output: "no"}, &nginx.Unreachable{Reason: "gone"}
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	for _, tt := range []struct {
		name         string
		err          error
		left, undone Exit // where nothing follows, and where the undoing succeeds
	}{
		{"refused", refused, ExitRefused, ExitRefused},
		{"gone", gone, ExitUnreachable, ExitUnreachable},
		{"refused, and not restored", &nginx.Unrestored{Cause: refused, Restore: syscall.ENOSPC}, ExitIncomplete, ExitRefused},
		{"refused, and then gone", &nginx.Unrestored{Cause: refused, Restore: gone}, ExitIncomplete, ExitUnreachable},
		{"gone, and not restored", errors.Join(&nginx.Unrestored{Cause: gone, Restore: syscall.EIO}), ExitIncomplete, ExitUnreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failure := Classify(t.Context(), tt.err)
			if failure.Exit != tt.left || failure.Hint == "" {
				t.Errorf("left: exit %d, hint %q; want exit %d and a hint", failure.Exit, failure.Hint, tt.left)
			}
			if failure.undone(t.Context()); failure.Exit != tt.undone || failure.Hint == "" {
				t.Errorf("undone: exit %d, hint %q; want exit %d and a hint", failure.Exit, failure.Hint, tt.undone)
			}
			late := Classify(interrupted, tt.err)
			if late.undone(interrupted); late.Exit != ExitInterrupted {
				t.Errorf("interrupted, and undone: exit %d, want %d", late.Exit, ExitInterrupted)
			}
		})
	}
}
