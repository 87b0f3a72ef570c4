package main

import (
	"errors"
	"io/fs"

	"github.com/urfave/cli/v2"

	"zdd/deploy"
	"zdd/nginx"
	"zdd/release"
)

// setup makes the distribution's nginx the one that zdd works with.
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
	err = z.changeSystem(c, store)
	if err := errors.Join(err, lock.Unlock()); err != nil {
		return deploy.Classify(c.Context, err)
	}
	if c.Bool("undo") {
		z.console.Done("setup", "nginx is as it was before zdd setup")
	} else {
		z.console.Done("setup", "nginx is set up; deploy with: zdd deploy APP IMAGE")
	}
	return nil
}

func (z *zdd) changeSystem(c *cli.Context, store *release.Store) error {
	former, err := nginx.LoadConfig(store.NginxDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	apps, err := store.Apps()
	if err != nil {
		return err
	}
	if len(apps) > 0 && (c.Bool("undo") || former.Mode == nginx.Managed) {
		return usageError(c, "the apps %v are served as it is now; remove them first", apps)
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
		return err
	}
	if c.Bool("undo") {
		return proxy.Unsetup(c.Context)
	}
	return proxy.Setup(c.Context)
}
