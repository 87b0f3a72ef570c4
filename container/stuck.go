package container

import (
	"context"
	"fmt"
	"time"
)

// DefaultCallLimit is how long the engine may take for one change of a container
// while it answers pings. It is far more than any takes that comes to its end.
const DefaultCallLimit = 5 * time.Minute

// Stuck says that an engine which answers does not come to the end of a call. A
// volume's driver or a disk holds it up, as a rule.
type Stuck struct{ For time.Duration }

func (s *Stuck) Error() string { return fmt.Sprintf("it answers, but has not done this in %s", s.For) }

// change makes a call that changes a container, and gives it up when it takes the
// limit and what it may take beyond that. The error is then *Unreachable.
func (e *Engine) change(ctx context.Context, beyond time.Duration, call func(context.Context) error) error {
	limit := e.callLimit + beyond
	limited, cancel := context.WithTimeoutCause(ctx, limit, &Unreachable{Host: e.host, Cause: &Stuck{limit}})
	defer cancel()
	err := call(limited)
	if cause := context.Cause(limited); err != nil && is[*Stuck](cause) {
		return cause
	}
	return err
}
