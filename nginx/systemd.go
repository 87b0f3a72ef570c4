package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"zdd/durable"
)

// systemd is where systemd is found on a host.
type systemd struct {
	running string // exists when systemd runs
	units   string // the administrator's units
	control string // the program that makes it read them again
}

// DefaultUnitDir is where a host's administrator keeps units, see
// systemd.unit(5).
const DefaultUnitDir = "/etc/systemd/system"

var defaultSystemd = systemd{running: "/run/systemd/system", units: DefaultUnitDir, control: "systemctl"}

func (s systemd) dropIn() string {
	return filepath.Join(s.units, "nginx.service.d", "zdd.conf")
}

// install writes the drop-in: nginx cannot bind a unix socket whose file a
// killed master left behind.
func (s systemd) install(ctx context.Context, door string) error {
	if _, err := os.Stat(s.running); err != nil {
		return ignoreMissing(err)
	}
	text := fmt.Sprintf("# Written by zdd setup.\n[Service]\nExecStartPre=-/bin/rm -f %s\n", door)
	if old, err := os.ReadFile(s.dropIn()); err == nil && string(old) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.dropIn()), 0o755); err != nil {
		return err
	}
	if err := durable.WriteFile(s.dropIn(), []byte(text), 0o644); err != nil {
		return err
	}
	return s.reread(ctx)
}

func (s systemd) remove(ctx context.Context) error {
	if _, err := os.Stat(s.dropIn()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := durable.Remove(s.dropIn()); err != nil {
		return err
	}
	return s.reread(ctx)
}

func (s systemd) reread(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, s.control, "daemon-reload").CombinedOutput(); err != nil {
		return fmt.Errorf("running %s daemon-reload: %w: %s", s.control, err, out)
	}
	return nil
}
