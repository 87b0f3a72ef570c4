package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxOutput is how much of a command's output is kept, in bytes: its end, where
// programs say what went wrong.
const maxOutput = 16 << 10

var errOutside = errors.New("there is no container to ask")

// connect makes a connection and closes it.
func (p *prober) connect(ctx context.Context, check Check) (try, error) {
	if p.lines == nil {
		return try{kind: wrongAnswer, label: "not possible here", detail: "a connection cannot be made through nginx"}, nil
	}
	c, err := p.lines.to(check.Port).dial(ctx)
	if err != nil {
		return broken(err, &contact{}), err
	}
	return try{kind: passes}, c.Close()
}

// command runs the check's command within the target.
func (p *prober) command(ctx context.Context, check Check) (try, error) {
	if p.target.Inside == nil {
		return try{kind: wrongAnswer, label: "not possible here", detail: errOutside.Error()}, nil
	}
	out := &tail{}
	code, err := p.target.Inside.Run(ctx, check.Command, out)
	t := try{kind: wrongAnswer, output: out.end()}
	switch {
	case err != nil:
		t.label, t.detail = "the command could not be run", printable(err.Error(), 200)
		return t, err
	case code == 0:
		t.kind = passes
	default:
		t.label, t.missing = fmt.Sprintf("exit code %d", code), "exit code 0"
	}
	return t, nil
}

// uptime asks for how long the target has run.
func (p *prober) uptime(ctx context.Context, check Check) (try, error) {
	since := p.started
	if p.target.Inside != nil {
		began, err := p.target.Inside.Since(ctx)
		if err != nil {
			return try{kind: wrongAnswer, label: "its start is not known", detail: printable(err.Error(), 200)}, err
		}
		since = began
	}
	if up := time.Since(since); up < check.Uptime {
		return try{kind: wrongAnswer, label: "not up for long enough", detail: "up for " + seconds(up) + " of " + seconds(check.Uptime)}, nil
	}
	return try{kind: passes}, nil
}

// tail keeps the end of what is written to it, and now and then drops the rest.
type tail struct{ kept []byte }

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(text []byte) (int, error) {
	t.kept = append(t.kept, text[max(0, len(text)-maxOutput):]...)
	if len(t.kept) > 2*maxOutput {
		t.kept = append(t.kept[:0], t.end()...)
	}
	return len(text), nil
}

func (t *tail) end() []byte { return t.kept[max(0, len(t.kept)-maxOutput):] }
