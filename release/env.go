package release

import (
	"fmt"
	"log/slog"
	"strings"
)

// mask stands for the value of a variable wherever it is shown.
const mask = "***"

// Env holds environment variables. Printing or logging it shows the names and
// masks the values; encoding it as JSON does not.
type Env map[string]string

// List returns the variables as KEY=VALUE, sorted by name, values in clear.
func (e Env) List() []string {
	list := make([]string, 0, len(e))
	for _, key := range e.sortedKeys() {
		list = append(list, key+"="+e[key])
	}
	return list
}

// Masked returns the variables with their values masked.
func (e Env) Masked() Env {
	if e == nil {
		return nil
	}
	masked := make(Env, len(e))
	for key := range e {
		masked[key] = mask
	}
	return masked
}

// String lists the variables with masked values, as in "A=*** B=***".
func (e Env) String() string { return strings.Join(e.Masked().List(), " ") }

// Format masks the values under every verb, so that printing a struct that
// holds an Env shows no secret.
func (e Env) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "["+e.String()+"]") }

// LogValue masks the values in structured logs.
func (e Env) LogValue() slog.Value { return slog.AnyValue(map[string]string(e.Masked())) }

// Masked returns the settings with the values of variables masked, for showing
// them as a whole.
func (s Settings) Masked() Settings {
	s.Env = s.Env.Masked()
	return s
}

// LogValue masks the values of variables in structured logs.
func (s Settings) LogValue() slog.Value {
	type plain Settings // without this method, else the log asks again
	return slog.AnyValue(plain(s.Masked()))
}

// Masked returns the release with the values of variables masked, for showing
// it as a whole.
func (r Release) Masked() Release {
	r.Env = r.Env.Masked()
	r.Settings = r.Settings.Masked()
	return r
}

// LogValue masks the values of variables in structured logs.
func (r Release) LogValue() slog.Value {
	type plain Release // without this method, else the log asks again
	return slog.AnyValue(plain(r.Masked()))
}

// Masked returns the state with the values of variables masked, for showing it
// as a whole.
func (s State) Masked() State {
	if s.Deploy != nil {
		journal := s.Deploy.Masked()
		s.Deploy = &journal
	}
	return s
}

// LogValue masks the values of variables in structured logs.
func (s State) LogValue() slog.Value {
	type plain State // without this method, else the log asks again
	return slog.AnyValue(plain(s.Masked()))
}

// Masked returns the journal with the values of variables masked, for showing
// it as a whole.
func (j Journal) Masked() Journal {
	if j.Settings != nil {
		settings := j.Settings.Masked()
		j.Settings = &settings
	}
	return j
}

// LogValue masks the values of variables in structured logs.
func (j Journal) LogValue() slog.Value {
	type plain Journal // without this method, else the log asks again
	return slog.AnyValue(plain(j.Masked()))
}
