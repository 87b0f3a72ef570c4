package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// member is one entry of a JSON object.
type member struct{ key, value gjson.Result }

// lastMember is the entry of an object that counts, as in encoding/json: the
// last one that is not null, whatever the case of its key. gjson itself takes
// the first.
func lastMember(object gjson.Result, name string) (last member) {
	object.ForEach(func(key, value gjson.Result) bool {
		if value.Type != gjson.Null && strings.EqualFold(key.Str, name) {
			last = member{key, value}
		}
		return true
	})
	return last
}

// members are the entries of an object under the known keys; every other one
// is given to other. Null is as good as nothing.
func (r *appReader) members(object gjson.Result, known []string, other func(member)) map[string]member {
	fields := map[string]member{}
	object.ForEach(func(key, value gjson.Result) bool {
		if value.Type == gjson.Null {
			return true
		}
		m := member{key, value}
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, key.Str) }); i >= 0 {
			r.know(fields, known[i], m)
		} else {
			other(m)
		}
		return !r.stopped
	})
	return fields
}

// know keeps the last of the entries with this name. Case is ignored as in
// Dokku, which files that others run rely on.
func (r *appReader) know(fields map[string]member, name string, m member) {
	if m.key.Str != name {
		r.warn(m.key, fmt.Sprintf("%s is written %s", quote(m.key.Str), quote(name)), r.rewritten(m, name, m.value.Raw))
	}
	if former, found := fields[name]; found {
		r.warn(m.key, fmt.Sprintf("%s stands in line %d already; the last one counts", quote(name), r.lines.at(former.key.Index)), "")
	}
	fields[name] = m
}

// wordMarks are what stands between the words of a key in some styles.
var wordMarks = strings.NewReplacer("_", "", "-", "")

// plainKey is a key without what styles of writing differ in.
func plainKey(key string) string { return strings.ToLower(wordMarks.Replace(key)) }

// otherWords are what other tools, and other checks of this one, call a key.
var otherWords = map[string]string{
	"interval": "wait", "period": "wait", "periodseconds": "wait", "retryinterval": "wait",
	"grace": "initialDelay", "graceperiod": "initialDelay", "startperiod": "initialDelay", "delay": "initialDelay",
	"initialdelayseconds": "initialDelay", "timeoutseconds": "timeout",
	"retries": "attempts", "tries": "attempts", "maxretries": "attempts", "failurethreshold": "attempts",
	"url": "path", "endpoint": "path", "uri": "path",
	"body": "content", "text": "content", "contains": "content", "headers": "httpHeaders",
	"cmd": "command", "exec": "command", "test": "command", "tcp": "listening",
}

// onlyInChecks are questions that app.json has no word for, and the CHECKS file has.
var onlyInChecks = map[string]string{
	"status": "status", "statuscode": "status", "expectedstatus": "status", "expectedstatuscode": "status", "expectstatus": "status",
	"method": "method", "match": "match", "regex": "match", "regexp": "match", "json": "json", "grpc": "grpc",
}

// knownKey is the key that was meant, or empty.
func knownKey(key string, known []string) string {
	plain := plainKey(key)
	if word, found := otherWords[plain]; found && slices.Contains(known, word) {
		return word
	}
	best, fewest := "", 0
	for _, k := range known {
		if n := slips(plain, strings.ToLower(k)); n <= max(1, len(k)/4) && (best == "" || n < fewest) {
			best, fewest = k, n
		}
	}
	return best
}
