package deploy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"zdd/checks"
	"zdd/nginx"
	"zdd/release"
)

// ProofTimeout bounds the wait for nginx to say through the door that a slot
// gets an app's requests. The flag holds from the next request on, so this is
// for a machine that is very busy.
const ProofTimeout = 10 * time.Second

// installSite makes nginx know the app's site as this release needs it. It
// reloads nginx only when the site differs from the one that is installed.
func (m *move) installSite(ctx context.Context) error {
	return m.run(ctx, StepSite, func(ctx context.Context) (string, error) {
		live := m.state.Slot
		switch {
		case m.state.Live == 0:
			live = m.slot
		case m.strategy() == nginx.Reload:
			return "comes with the switch", nil
		}
		// A site that is switched by reload does not care for the flag; one
		// that is about to be switched by it must find it right.
		if err := m.Proxy.Switch(m.name, nginx.Slot(live)); err != nil {
			return "", err
		}
		changed, err := m.install(ctx, release.Installing, live)
		if err != nil {
			return "", err
		}
		if !changed {
			return "nginx knows it already", nil
		}
		return "nginx reloaded for " + m.host(), nil
	})
}

// install puts the app's site into nginx, with live as the slot that gets its
// requests.
func (m *move) install(ctx context.Context, phase release.Phase, live release.Slot) (changed bool, err error) {
	if err := m.journal(phase); err != nil {
		return false, err
	}
	m.undo.addTraffic("the site", m.revertSite)
	err = m.withRoot(ctx, func() error {
		site, err := m.site(live)
		if err != nil {
			return err
		}
		changed, err = m.Proxy.Install(ctx, site)
		return err
	})
	return changed, err
}

// revertSite puts the former site back. Where there was none, the release that
// answered for a moment first finishes what it was asked.
func (m *move) revertSite(ctx context.Context) error {
	err := m.withRoot(ctx, func() error { return m.Proxy.Revert(ctx, m.name) })
	if err != nil || m.state.Live != 0 {
		return err
	}
	return m.drainTarget(ctx)
}

// site is the app's site, with the addresses of both slots in it.
func (m *move) site(live release.Slot) (nginx.Site, error) {
	settings := m.settings.WithDefaults()
	site := nginx.Site{
		App: m.name, Domains: settings.Domains,
		Blue: m.pool(release.Blue), Green: m.pool(release.Green),
		Strategy: m.strategy(), Live: nginx.Slot(live),
		HTTPSRedirect: settings.HTTPS == release.HTTPSRedirect,
		BodySize:      settings.BodySize, ReadTimeout: settings.ReadTimeout.Or(0),
		Gzip: settings.Gzip, TrustedProxies: settings.TrustedProxies,
		Own: settings.Site == release.SiteOwn,
	}
	var err error
	if site.Snippets, err = m.app.Snippets(); err != nil {
		return site, err
	}
	if cert, key, err := m.app.Certificate(); err != nil {
		return site, err
	} else if cert != "" {
		site.Certificate = &nginx.Certificate{CertFile: cert, KeyFile: key}
	}
	return site, nil
}

// pool is where nginx finds the replicas of a slot: those of its release, or,
// in a slot that is yet to be used, as many as the target has.
func (m *move) pool(slot release.Slot) []string {
	known := m.state.Slots[slot]
	if slot == m.slot || known.Release == 0 {
		known.Replicas, known.Port = m.target.Settings.Replicas, m.target.Port
	}
	return addressPorts(known.Addresses[:known.Replicas], known.Port)
}

func (m *move) strategy() nginx.Strategy {
	return nginx.Strategy(m.settings.WithDefaults().Switch)
}

// host is the name under which the checks ask for the app: its first domain,
// and some name below it where that is a wildcard.
func (m *move) host() string {
	return strings.Replace(hosts(m.name, m.settings)[0], "*", "zdd-check", 1)
}

// hosts are the names that the app answers at: its domains, else APP.localhost.
func hosts(app string, settings release.Settings) []string {
	if len(settings.Domains) == 0 {
		return []string{app + ".localhost"}
	}
	return settings.WithDefaults().Domains
}

// refuseForeignDomains wants no domain to be another app's. It looks at the
// other apps only when the domains are not those of the live release; nginx
// itself has the last word.
func (m *move) refuseForeignDomains() error {
	mine := hosts(m.name, m.settings)
	if live, err := m.app.Release(m.state.Live); err == nil && slices.Equal(mine, hosts(m.name, live.Settings)) {
		return nil
	}
	names, err := m.Store.Apps()
	if err != nil {
		return err
	}
	for _, name := range names {
		other, err := m.Store.App(name)
		if err != nil || name == m.name {
			continue
		}
		settings, err := other.Settings()
		if err != nil {
			continue // that app's owner will hear of it
		}
		for _, domain := range hosts(name, settings) {
			if slices.Contains(mine, domain) {
				return usage("choose another domain, or take it from that app first", "the domain %s belongs to the app %q", domain, name)
			}
		}
	}
	return nil
}

func (m *move) hasCertificate() bool {
	cert, _, err := m.app.Certificate()
	return err == nil && cert != ""
}

// switchOver gives the app's requests to the new release: by the flag, one
// system call, or by a site that names its slot alone.
func (m *move) switchOver(ctx context.Context) error {
	return m.run(ctx, StepSwitch, func(ctx context.Context) (string, error) {
		if err := m.giveTraffic(ctx); err != nil {
			return "", err
		}
		m.switched = time.Now()
		return fmt.Sprintf("%s gets every new request", m.slot), nil
	})
}

func (m *move) giveTraffic(ctx context.Context) error {
	if err := m.journal(release.Switching); err != nil {
		return err
	}
	if m.state.Live != 0 {
		m.undo.addTraffic("the switch", m.switchBack)
	}
	if m.strategy() == nginx.Reload && m.state.Live != 0 {
		if _, err := m.install(ctx, release.Switching, m.slot); err != nil {
			return err
		}
	}
	return m.Proxy.Switch(m.name, nginx.Slot(m.slot))
}

// switchBack gives the app's requests back to the former release, and lets the
// new one answer those that it got.
func (m *move) switchBack(ctx context.Context) error {
	if err := m.Proxy.Switch(m.name, nginx.Slot(m.state.Slot)); err != nil {
		return err
	}
	// Where nginx does not run, the file is all that there is to prove.
	if err := m.prove(ctx, m.state.Slot); err != nil && m.nginxRuns() {
		return err
	}
	return m.drainTarget(ctx)
}

// drainTarget lets the target, which is about to be removed, answer what it
// was asked.
func (m *move) drainTarget(ctx context.Context) error {
	drained, err := m.Proxy.Drain(ctx, m.pool(m.slot), m.drainLimit())
	if err == nil && !drained.Closed {
		m.warn(StepUndo, fmt.Errorf("%s to release %d cut: %v", plural(drained.Open, "connection"), m.target.Number, drained.Connections))
	}
	return err
}

// verify proves the switch at nginx's own door, and runs the checks once more
// through it.
func (m *move) verify(ctx context.Context) error {
	return m.run(ctx, StepVerify, func(ctx context.Context) (string, error) {
		if err := m.prove(ctx, m.slot); err != nil {
			return "", err
		}
		detail, err := m.checkThroughNginx(ctx)
		if err != nil {
			if _, silent := m.Proxy.Answers(ctx, m.name); silent != nil && ctx.Err() == nil {
				return "", silent // not the release's fault
			}
			return "", m.explain(ctx, fmt.Errorf("checking through nginx: %w", err))
		}
		return "nginx answers with " + string(m.slot) + "; " + detail, nil
	})
}

// checkThroughNginx runs the target's checks at nginx's door: the requests for
// a host that nginx knows as the app's. The others were for the replicas alone.
func (m *move) checkThroughNginx(ctx context.Context) (string, error) {
	transport := m.Proxy.Transport()
	defer transport.CloseIdleConnections()
	return m.runChecks(ctx, StepVerify, m.nginxChecks(), []checks.Target{m.nginxTarget(transport)})
}

func (m *move) nginxTarget(transport http.RoundTripper) checks.Target {
	return checks.Target{Name: "nginx", Address: m.host(), Host: m.host(), HTTPS: m.hasCertificate(), Transport: transport}
}

// nginxChecks are those of the target's checks that nginx can pass on. Where
// there are none, or a hook stands in their place, the app must answer in its
// own words all the same.
func (m *move) nginxChecks() checks.File {
	if m.hookInstead() {
		return checks.Reachable()
	}
	file := m.checksFile()
	file.Checks = slices.DeleteFunc(slices.Clone(file.Checks), func(check checks.Check) bool {
		foreign := check.Host != "" && !m.answersAt(check.Host)
		return check.Kind != checks.KindHTTP || check.Port != 0 || foreign
	})
	if !slices.ContainsFunc(file.Checks, func(check checks.Check) bool { return !check.Warn }) {
		return checks.Reachable()
	}
	return file
}

// answersAt says whether the host, with or without a port, is one of the app's
// domains. A wildcard stands for one or more labels, as in nginx.
func (m *move) answersAt(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return slices.ContainsFunc(hosts(m.name, m.settings), func(domain string) bool {
		suffix, wildcard := strings.CutPrefix(domain, "*")
		return strings.EqualFold(host, domain) || wildcard && strings.HasSuffix(strings.ToLower(host), suffix)
	})
}

func (m *move) prove(ctx context.Context, slot release.Slot) error {
	ctx, cancel := context.WithTimeout(ctx, ProofTimeout)
	defer cancel()
	return m.Proxy.Prove(ctx, m.name, nginx.Slot(slot))
}
