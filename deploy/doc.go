// Package deploy replaces the live release of an app by another one, and
// undoes everything when a step fails.
//
// The story, in the order of the steps: lock the app; recover what an
// interrupted command left; resolve the image and number the release; run its
// release command; start it in the idle slot; check every replica at its own
// address; install the site, if it differs; switch; verify at nginx's own
// door; commit; drain the former release; retire it.
//
// Invariants:
//   - Each step that changes the world registers its undo before it begins, and
//     writes into the journal what a later command must know to do the same.
//   - One deferred call undoes, last to first, past failures, on a context that
//     outlives the interrupt. A step that fails to take requests away from the
//     new release ends the undoing: what may still be asked is not removed.
//   - Commit is one call, once. After it nothing turns success into failure:
//     what remains undone is a warning, and the next command does it.
//   - Every primitive of undoing may run twice, for recovery runs the same ones
//     after a kill at any point.
//   - Requests reach a release after its checks have passed, and it ends after
//     its last answer or the drain's limit.
//
// The package knows engines and proxies by the roles they play here, and
// instances by their addresses: nothing here assumes that they are on this host.
package deploy
