// Package checks answers one question: is this address fit to serve?
//
// The questions come from a CHECKS file, the format of the first zero-downtime
// Dokku (2014): a path and, if wanted, a text that the answer must contain, one
// a line. Parse reads such a file as its author meant it and says, line by
// line, what it could not use. Run puts each check to each target, all at once
// and again and again, until all have passed or the file's budget is used up.
// Report says what happened; its error is a text that an operator can act on.
//
// Invariants:
//
//   - A line is a check, a setting, a comment or a Problem. None vanishes.
//   - A target passes only by an answer of its own: requests go to its address
//     whatever the URL, never through a proxy, and a redirect to another host
//     is not followed.
//   - The budget is never shorter than that of the readers before zdd, which
//     slept WAIT before each try, the first one included, counted ATTEMPTS for
//     each line, and came to a line after those before it had passed.
//   - When Run returns, no connection and no goroutine of it is left. An idle
//     connection would look like a request to whoever drains the target.
//   - Nothing that a target sends can make Run wait beyond the budget, use
//     unbounded memory, or put control characters on a terminal.
//
// The package knows HTTP, gRPC and time, nothing of containers, nginx or
// deploys. A caller that learns that a container has exited cancels the context
// with that cause, which ends the run and is what the report then says.
package checks
