package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// hostilities are what HOSTILE may ask for. "redirect" takes a target after a
// colon.
var hostilities = map[string]func(target string) http.HandlerFunc{
	"headers":  func(string) http.HandlerFunc { return endlessHeaders },
	"body":     func(string) http.HandlerFunc { return endlessBody },
	"bomb":     func(string) http.HandlerFunc { return bomb },
	"redirect": redirect,
}

// hostile is the handler that HOSTILE asks for, in the place of the app's own.
func hostile(what string, own http.Handler) http.Handler {
	name, target, _ := strings.Cut(what, ":")
	if make := hostilities[name]; make != nil {
		return make(target)
	}
	return own
}

func endlessHeaders(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n"); err != nil {
		return
	}
	filler := strings.Repeat("x", 32<<10)
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(conn, "X-%d: %s\r\n", i, filler); err != nil {
			return
		}
	}
}

func endlessBody(w http.ResponseWriter, _ *http.Request) { fill(w) }

// bomb is a body of a few bytes a second that unpacks to gigabytes.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	fill(gzip.NewWriter(w))
}

func fill(w io.Writer) {
	zeros := make([]byte, 1<<20)
	for {
		if _, err := w.Write(zeros); err != nil {
			return
		}
	}
}

func redirect(target string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) }
}

// chatter fills the log, some 16 MB a second, in lines of 144 KiB.
func chatter(log io.Writer) {
	words := strings.Repeat("blah\x1b[2J ", 2<<10)
	for i := 0; ; i++ {
		if _, err := io.WriteString(log, words); err != nil {
			return
		}
		if i%8 == 7 {
			fmt.Fprintln(log)
		}
		time.Sleep(time.Millisecond)
	}
}
