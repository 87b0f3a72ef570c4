package checks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ Min, Max int }

// Statuses are the HTTP status codes that pass; none stands for 200 to 299.
type Statuses []StatusRange

var success = Statuses{{Min: 200, Max: 299}}

// Contains reports whether the status passes.
func (s Statuses) Contains(status int) bool {
	for _, r := range s.orSuccess() {
		if status >= r.Min && status <= r.Max {
			return true
		}
	}
	return false
}

// String is the codes in words: `a status from 200 to 299`, `status 401`.
func (s Statuses) String() string {
	all := s.orSuccess()
	if len(all) == 1 && all[0].Min != all[0].Max {
		return fmt.Sprintf("a status from %d to %d", all[0].Min, all[0].Max)
	}
	return "status " + strings.ReplaceAll(all.Written(), ",", " or ")
}

// Written is the form that parseStatuses reads.
func (s Statuses) Written() string {
	words := make([]string, len(s))
	for i, r := range s {
		words[i] = strconv.Itoa(r.Min)
		if r.Max != r.Min {
			words[i] += "-" + strconv.Itoa(r.Max)
		}
	}
	return strings.Join(words, ",")
}

func (s Statuses) orSuccess() Statuses {
	if len(s) == 0 {
		return success
	}
	return s
}

// parseStatuses reads codes, classes and ranges: `204`, `2xx`, `200-299,401`.
func parseStatuses(text string) (Statuses, error) {
	var statuses Statuses
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		low, high, ranged := strings.Cut(word, "-")
		if !ranged {
			high = low
		}
		first, last := lowest(low), lowest(high)
		if isClass(high) {
			last += 99
		}
		if first < 100 || last > 599 || first > last {
			return nil, fmt.Errorf("%s is no status: write it like 204, 2xx or 200-299", quote(word))
		}
		statuses = append(statuses, StatusRange{Min: first, Max: last})
	}
	if statuses == nil {
		return nil, errors.New("a status is missing: write it like 204, 2xx or 200-299")
	}
	return statuses, nil
}

func isClass(word string) bool { return len(word) == 3 && strings.EqualFold(word[1:], "xx") }

// lowest is the first status of a code or a class, 0 for neither.
func lowest(word string) int {
	if isClass(word) {
		word = word[:1] + "00"
	}
	status, err := strconv.Atoi(word)
	if err != nil || len(word) != 3 {
		return 0
	}
	return status
}
