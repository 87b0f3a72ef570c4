package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/urfave/cli/v2"

	"zdd/container"
	"zdd/deploy"
	"zdd/nginx"
	"zdd/release"
)

// open opens the root that the command line names.
func open(c *cli.Context) (*release.Store, error) {
	return release.Open(absolute(c.String("root")))
}

// deployer wires the packages together for a command, whose words stand in the
// locks that it takes.
func (z *zdd) deployer(c *cli.Context, words string) (*deploy.Deployer, error) {
	store, err := open(c)
	if err != nil {
		return nil, deploy.Classify(c.Context, err)
	}
	proxy, err := z.proxy(store)
	if err != nil {
		return nil, deploy.Classify(c.Context, err)
	}
	engine, err := z.engine(c.Context, store)
	if err != nil {
		return nil, deploy.ClassifyFor(c.Context, err, store, proxy, c.Args().First())
	}
	return deploy.New(deploy.Config{
		Store: store, Engine: engine, Proxy: proxy, Holder: release.Self("zdd " + words),
		Report: z.console.Event, Progress: z.console.Progress, Output: z.console.Output(),
	}), nil
}

func (z *zdd) engine(ctx context.Context, store *release.Store) (*container.Engine, error) {
	return container.Connect(ctx, container.Config{Root: store.Root()})
}

// proxy is the root's nginx: as it was remembered, else a managed one.
func (z *zdd) proxy(store *release.Store) (*nginx.Proxy, error) {
	plain, tls, plainGiven, tlsGiven := listen()
	config, err := nginx.LoadConfig(store.NginxDir())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		config = nginx.Config{Dir: store.NginxDir(), Mode: nginx.Managed, Listen: plain, ListenTLS: tls}
	case err != nil:
		return nil, err
	case config.Mode == nginx.Managed:
		if plainGiven {
			config.Listen = plain
		}
		if tlsGiven {
			config.ListenTLS = tls
		}
	}
	config.Warn = z.console.Warn
	return nginx.New(config)
}
