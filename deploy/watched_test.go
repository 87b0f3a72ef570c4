package deploy_test

import (
	"context"
	"time"

	"zdd/nginx"
)

// watched is nginx, with someone told just before each call that changes it or
// depends on it. It changes nothing about the call.
type watched struct {
	*nginx.Proxy
	see func(point string)
}

func (w *watched) Ensure(ctx context.Context) (bool, error) {
	w.see("Ensure")
	return w.Proxy.Ensure(ctx)
}

func (w *watched) Settle(ctx context.Context) error {
	w.see("Settle")
	return w.Proxy.Settle(ctx)
}

func (w *watched) Install(ctx context.Context, site nginx.Site) (bool, error) {
	w.see("Install")
	return w.Proxy.Install(ctx, site)
}

func (w *watched) Revert(ctx context.Context, app string) error {
	w.see("Revert")
	return w.Proxy.Revert(ctx, app)
}

func (w *watched) Accept(app string) error {
	w.see("Accept")
	return w.Proxy.Accept(app)
}

func (w *watched) Remove(ctx context.Context, app string) error {
	w.see("Remove")
	return w.Proxy.Remove(ctx, app)
}

func (w *watched) Stop(ctx context.Context) error {
	w.see("Stop")
	return w.Proxy.Stop(ctx)
}

func (w *watched) Switch(app string, slot nginx.Slot) error {
	w.see("Switch")
	return w.Proxy.Switch(app, slot)
}

func (w *watched) Prove(ctx context.Context, app string, slot nginx.Slot) error {
	w.see("Prove")
	return w.Proxy.Prove(ctx, app, slot)
}

func (w *watched) Drain(ctx context.Context, addresses []string, limit time.Duration) (nginx.Drained, error) {
	w.see("Drain")
	return w.Proxy.Drain(ctx, addresses, limit)
}

func (w *watched) Unseal(addresses []string) error {
	w.see("Unseal")
	return w.Proxy.Unseal(addresses)
}
