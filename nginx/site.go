package nginx

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What an empty setting of a Site means.
const (
	// DefaultBodySize is the largest request body. nginx's own default, 1m,
	// surprises every app with an upload form.
	DefaultBodySize = "100m"
	// DefaultReadTimeout is how long the app may be silent in an answer; websockets
	// that are idle for longer are closed.
	DefaultReadTimeout = 60 * time.Second
)

// Strategy is how an app's traffic moves from one slot to the other.
type Strategy string

const (
	// Flag switches by a file that nginx looks at on each request. The default.
	Flag Strategy = "flag"
	// Reload names one slot in the site; each switch is a verified reload. For
	// hosts where nginx's workers may not look into zdd's folder.
	Reload Strategy = "reload"
)

// Certificate is a pair of PEM files, given as absolute paths.
type Certificate struct {
	CertFile string // the certificate with its chain
	KeyFile  string
}

// Site is how an app is reached: a value, complete, from which everything that
// nginx must know about the app is rendered.
type Site struct {
	App string
	// Domains are host names, also "*.example.com"; APP.localhost when empty.
	Domains []string
	// Blue and Green are the addresses ("ip:port") of the slots' replicas. Both
	// are needed, also while a slot is empty.
	Blue, Green []string
	// Strategy is Flag when empty.
	Strategy Strategy
	// Live is the slot that the site names, for the Reload strategy only.
	Live Slot
	// Certificate makes the app answer HTTPS beside HTTP; nil for HTTP only.
	Certificate *Certificate
	// HTTPSRedirect answers HTTP requests by a redirect (308) to HTTPS.
	HTTPSRedirect bool
	// BodySize is the largest request body in nginx's form ("20m"; "0": any).
	BodySize string
	// ReadTimeout is DefaultReadTimeout when zero.
	ReadTimeout time.Duration
	// Gzip compresses text answers.
	Gzip bool
	// TrustedProxies are addresses or networks in front of nginx whose
	// X-Forwarded-* headers are believed. Without any, these headers are set anew.
	TrustedProxies []string
	// Snippets are files, given as absolute paths, whose directives are added to
	// the app's server block. Their content is copied when the site is installed.
	Snippets []string
	// Own says that the user writes the server block himself: he includes
	// DIR/switch/APP.conf and proxies to http://$zdd_slot.
	Own bool
}

// Validate checks every value; the first that is wrong is an *Invalid. It looks
// at no file.
func (s Site) Validate() error {
	if err := checkApp(s.App); err != nil {
		return err
	}
	for _, d := range s.Domains {
		if err := checkDomain(d); err != nil {
			return err
		}
	}
	if err := s.checkAddresses(); err != nil {
		return err
	}
	if err := s.checkStrategy(); err != nil {
		return err
	}
	if s.HTTPSRedirect && s.Certificate == nil {
		return &Invalid{Field: "https", Value: "redirect", Reason: "needs a certificate"}
	}
	return s.checkOptions()
}

func (s Site) checkAddresses() error {
	if len(s.Blue) == 0 || len(s.Green) == 0 {
		return &Invalid{Field: "app", Value: s.App, Reason: "both slots need at least one address"}
	}
	seen := map[string]bool{}
	for _, addr := range slices.Concat(s.Blue, s.Green) {
		ap, err := netip.ParseAddrPort(addr)
		switch {
		case err != nil || ap.Port() == 0 || ap.Addr().Zone() != "":
			return &Invalid{Field: "address", Value: addr, Reason: "must be ip:port"}
		case seen[ap.String()]:
			return &Invalid{Field: "address", Value: addr, Reason: "stands twice in the slots"}
		}
		seen[ap.String()] = true
	}
	return nil
}

func (s Site) checkStrategy() error {
	switch s.Strategy {
	case "", Flag:
		return nil
	case Reload:
		if !s.Live.valid() {
			return &Invalid{Field: "slot", Value: string(s.Live), Reason: `must be "blue" or "green" for the reload strategy`}
		}
		return nil
	}
	return &Invalid{Field: "switch", Value: string(s.Strategy), Reason: `must be "flag" or "reload"`}
}

var bodySize = regexp.MustCompile(`^[0-9]{1,12}[kKmMgG]?$`)

func (s Site) checkOptions() error {
	if s.BodySize != "" && !bodySize.MatchString(s.BodySize) {
		return &Invalid{Field: "body size", Value: s.BodySize, Reason: `must look like "512k", "20m" or "1g"`}
	}
	if s.ReadTimeout < 0 || s.ReadTimeout%time.Millisecond != 0 {
		return &Invalid{Field: "read timeout", Value: s.ReadTimeout.String(), Reason: "must be positive, in whole milliseconds"}
	}
	for _, t := range s.TrustedProxies {
		if _, err := netip.ParsePrefix(t); err == nil {
			continue
		}
		if a, err := netip.ParseAddr(t); err != nil || a.Zone() != "" {
			return &Invalid{Field: "trusted proxy", Value: t, Reason: "must be an address or a network like 10.0.0.0/8"}
		}
	}
	if c := s.Certificate; c != nil {
		if err := checkPath("certificate", c.CertFile); err != nil {
			return err
		}
		if err := checkPath("certificate key", c.KeyFile); err != nil {
			return err
		}
	}
	for _, f := range s.Snippets {
		if err := checkPath("snippet", f); err != nil {
			return err
		}
	}
	return nil
}

// withDefaults returns the site with every empty setting filled in and domains
// in lower case, each once.
func (s Site) withDefaults() Site {
	if s.Strategy == "" {
		s.Strategy = Flag
	}
	if s.Strategy == Flag {
		s.Live = ""
	}
	if s.BodySize == "" {
		s.BodySize = DefaultBodySize
	}
	if s.ReadTimeout == 0 {
		s.ReadTimeout = DefaultReadTimeout
	}
	if len(s.Domains) == 0 {
		s.Domains = []string{s.App + ".localhost"}
	}
	var domains []string
	for _, d := range s.Domains {
		if d = strings.ToLower(d); !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	s.Domains = domains
	return s
}

var (
	appName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	label   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

func checkApp(app string) error {
	if appName.MatchString(app) {
		return nil
	}
	return &Invalid{Field: "app", Value: app,
		Reason: "must be 1 to 40 letters a-z, digits and dashes, with no dash at either end"}
}

// checkDomain allows host names as in RFC 1123, with one leading "*." as nginx
// has it. Names below .zdd are the door's own.
func checkDomain(domain string) error {
	name := strings.TrimPrefix(strings.ToLower(domain), "*.")
	if len(name) > 253 {
		return &Invalid{Field: "domain", Value: domain, Reason: "is longer than 253 characters"}
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return &Invalid{Field: "domain", Value: domain,
				Reason: fmt.Sprintf("%q is no part of a host name (write international names in punycode)", l)}
		}
	}
	if labels[len(labels)-1] == "zdd" {
		return &Invalid{Field: "domain", Value: domain, Reason: "names below .zdd are reserved"}
	}
	return nil
}
