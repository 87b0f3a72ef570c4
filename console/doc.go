// Package console shows what zdd does, to a person or to a machine.
//
// To a person on a terminal it shows the step at work on a line that is
// rewritten in place; in a pipe, a line a step. Results go to stdout, progress
// and problems to stderr. To a machine (JSON) it writes one object a line to
// stdout, and nothing else there.
//
// Colours and rewriting go to terminals alone, never into pipes, and NO_COLOR
// (https://no-color.org) is honoured. What comes from apps and registries is
// stripped of control characters before it is shown.
package console
