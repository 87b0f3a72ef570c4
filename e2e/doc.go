// Package e2e holds the end-to-end tests: the zdd binary, on a real Docker
// engine, with a real nginx and real load. It has no code of its own.
//
// The files that begin with drill_ hold the drills: a fault in each step, and
// the same end every time. They run in a short form with every test, and whole
// with "make drill"; docs/proof.md says what each one does.
package e2e
