// Package load is the witness of zdd's promise that no request is lost. It
// plays the clients that notice everything: they hold raw HTTP/1.1 connections
// open, or one of HTTP/2 over TLS, or make a new one for each request; they send
// one request after the other, and never send one again.
//
// A run begins with [Start]. Its clients post to the sample app (testdata/app)
// while the test or the demo deploys; some upload slowly, ask for slow answers,
// follow a stream or talk over a websocket. [Run.Stop] lets the requests in
// flight end and returns the [Report]; [Report.Compare] holds it against what
// the app says it processed, by request id.
//
// What counts as lost is every request of which something was sent and to
// which its own, whole, right answer of an allowed release did not come: a
// connection reset or closed, a status other than 200, a wrong body, another
// request's answer, a release that may not serve yet.
//
// No loss is a connection that the server closes after it announced so
// (Connection: close), or that it closed after it was idle for as long as it is
// kept alive and while nothing of the next request was written; the client
// opens another one. A client does not look whether a connection that it just
// used is still open: that would only make the moment shorter in which a
// reload loses requests, and hide it on a busy machine.
//
// No loss either is a stream of which an HTTP/2 server said that it did not look
// at it (RFC 9113, sections 6.8 and 8.7): clients ask for it again. These count it
// as turned away, ask under another id, and hold the server to its word:
// [Report.Compare] finds a request that was processed although it was turned away.
// And [Config.Exposed] counts apart, when asked to, what a server that has to close
// its connections cannot prevent under HTTP/1.1.
//
// Invariants:
//   - Nothing is ever sent twice. (net/http's Transport is not used for
//     requests because it does that, over HTTP/1.1 and over HTTP/2.)
//   - Traffic goes to 127.0.0.0/8 and nowhere else.
//   - A run ends by itself: nothing is sent after [Config.Limit], and each
//     request has a time limit of its own.
package load
