package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"zdd/durable"
)

// Slot is one of the two fixed sets of addresses of an app. Blue is live when
// nothing says otherwise.
type Slot string

// The two slots.
const (
	Blue  Slot = "blue"
	Green Slot = "green"
)

// Other returns the slot that s is not.
func (s Slot) Other() Slot {
	if s == Green {
		return Blue
	}
	return Green
}

func (s Slot) valid() bool { return s == Blue || s == Green }

// Switch makes s the live slot of the app by its flag file: from the next
// request on, in every worker. It is durable when it returns. Installed sites
// with the Reload strategy are switched by Install; Switch is then an error
// unless s is live already.
func (p *Proxy) Switch(app string, s Slot) error {
	if err := checkApp(app); err != nil {
		return err
	}
	if !s.valid() {
		return &Invalid{Field: "slot", Value: string(s), Reason: `must be "blue" or "green"`}
	}
	h, installed, err := p.installed(app)
	if err != nil {
		return err
	}
	if installed && h.Strategy == Reload {
		if h.Slot == s {
			return nil
		}
		return fmt.Errorf("switching %q: its site is switched by reload, not by flag", app)
	}
	if err := p.setFlag(app, s); err != nil {
		return fmt.Errorf("switching %q to %s: %w", app, s, err)
	}
	return nil
}

// setFlag makes no temporary file: a command of another app sweeps those, and
// this one does not hold the root's lock.
func (p *Proxy) setFlag(app string, s Slot) error {
	if s == Green {
		return durable.Touch(p.paths.flag(app), 0o644)
	}
	return durable.Remove(p.paths.flag(app))
}

// Live returns the slot of the app that is live according to the disk: the
// flag, or for the Reload strategy the installed site. installed tells whether
// the app has a site; without one, the slot is what the flag says.
func (p *Proxy) Live(app string) (s Slot, installed bool, err error) {
	if err := checkApp(app); err != nil {
		return "", false, err
	}
	h, installed, err := p.installed(app)
	if err != nil {
		return "", false, err
	}
	if installed && h.Strategy == Reload {
		return h.Slot, true, nil
	}
	switch _, err := os.Stat(p.paths.flag(app)); {
	case err == nil:
		return Green, installed, nil
	case errors.Is(err, fs.ErrNotExist):
		return Blue, installed, nil
	default:
		return "", installed, fmt.Errorf("reading the live slot of %q: %w", app, err)
	}
}
