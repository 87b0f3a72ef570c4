package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"zdd/deploy"
	"zdd/nginx"
	"zdd/release"
)

// setup makes the distribution's nginx the one that zdd works with, or lets
// systemd start zdd's own.
func (z *zdd) setup(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	store, err := open(c)
	if err != nil {
		return deploy.Classify(c.Context, err)
	}
	lock, err := store.Lock(c.Context, release.Self("zdd setup"), func(holder release.Holder) {
		z.console.Warn("waiting for " + holder.String())
	})
	if err != nil {
		return deploy.Classify(c.Context, err)
	}
	change := z.changeSystem
	if c.Bool("systemd") {
		change = z.changeUnit
	}
	done, err := change(c, store)
	if err := errors.Join(err, lock.Unlock()); err != nil {
		return deploy.Classify(c.Context, err)
	}
	z.console.Done("setup", done)
	return nil
}

// changeUnit gives zdd's own nginx to systemd, or takes it back.
func (z *zdd) changeUnit(c *cli.Context, store *release.Store) (done string, err error) {
	if c.IsSet("nginx-conf") {
		return "", usageError(c, "--nginx-conf is the distribution's, and --systemd is for an nginx of zdd's own")
	}
	proxy, err := z.proxy(store)
	if err != nil {
		return "", err
	}
	units := absolute(c.String("unit-dir"))
	if c.Bool("undo") {
		if err := proxy.RemoveUnit(c.Context, units); err != nil {
			return "", err
		}
		return "systemd no longer starts zdd's nginx", nil
	}
	name, err := proxy.SetupUnit(c.Context, units)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("systemd starts zdd's nginx at boot, as %s", name), nil
}

// changeSystem gives zdd the distribution's nginx, or takes it back.
func (z *zdd) changeSystem(c *cli.Context, store *release.Store) (done string, err error) {
	if c.IsSet("unit-dir") {
		return "", usageError(c, "--unit-dir is for --systemd")
	}
	former, err := nginx.LoadConfig(store.NginxDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	apps, err := store.Apps()
	if err != nil {
		return "", err
	}
	if len(apps) > 0 && (c.Bool("undo") || former.Mode == nginx.Managed) {
		return "", usageError(c, "the apps %v are served as it is now; remove them first", apps)
	}
	plain, tls, plainGiven, tlsGiven := listen()
	if !plainGiven && !tlsGiven {
		plain, tls = []string{":80"}, []string{":443"}
	}
	proxy, err := nginx.New(nginx.Config{
		Dir: store.NginxDir(), Mode: nginx.System, Conf: absolute(c.String("nginx-conf")),
		Listen: plain, ListenTLS: tls, Warn: z.console.Warn,
	})
	if err != nil {
		return "", err
	}
	if c.Bool("undo") {
		return "nginx is as it was before zdd setup", proxy.Unsetup(c.Context)
	}
	// Both would take the same ports at boot.
	if proxy.HasUnit() {
		return "", usageError(c, "systemd starts an nginx of zdd's own; take that back first: zdd setup --systemd --undo")
	}
	return "nginx is set up; deploy with: zdd deploy APP IMAGE", proxy.Setup(c.Context)
}
