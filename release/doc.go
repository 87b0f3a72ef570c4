// Package release keeps what zdd knows on disk: each app's settings, its
// releases, what is live, what happened, who is at work, and which addresses
// belong to whom.
//
// A [Store] is the root folder, an [App] one folder below it:
//
//	ROOT                    0711: nginx's workers pass through it to ROOT/nginx
//	  lock                  held while nginx's files or the address book change
//	  addresses.json        the address book
//	  apps/web/             0700, as all that follows
//	    app.yaml            the Settings, written by people and by zdd
//	    lock                held by every command that changes the app
//	    state.json          the State: what is live, and the Journal of a change in progress
//	    releases/12.json    Release 12, never changed once it is written
//	    history.jsonl       one Entry a line, append only
//	    CHECKS, env, tls/server.crt, tls/server.key, nginx/*.conf   optional, the user's
//
// Invariants:
//
//   - Opening a store or an app touches nothing. Folders are made by taking a
//     lock, and by the first write.
//   - A file is replaced whole (package durable); a crash leaves the old or
//     the new bytes. The history alone grows in place: a torn last line is
//     skipped on reading and closed before the next entry.
//   - A lock ends with the process that holds it, however it ends. The methods
//     that write do not lock: their caller holds the lock of the app, or of
//     the store for the address book.
//   - Files and folders have their permissions whatever the umask is: secrets
//     are in 0600 files below 0700 folders.
//   - The values of environment variables are in no error, and printing or
//     logging any type of this package masks them. Only the JSON and YAML on
//     disk are complete.
//   - A file that zdd wrote and cannot read is a [Corrupt] error that names it,
//     never a fresh start: forgetting what is live would cost requests.
package release
