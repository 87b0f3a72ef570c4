// Package nginx decides which slot gets an app's requests, and proves it.
//
// # The story
//
// nginx knows both slots of an app from the first deploy on, as two upstreams.
// One file, the flag live/APP.green, says which of them is live; nginx looks at
// it on every request. [Proxy.Switch] creates or removes that file: one system
// call, no reload, no connection closed. [Proxy.Prove] asks the running nginx
// for the slot that new requests get, and [Proxy.Drain] waits until the slot
// that lost the traffic has no open connection.
//
// A site's own configuration changes rarely (first deploy, domains, certificate,
// replicas, options). [Proxy.Install] then writes it, asks `nginx -t`, reloads
// and proves that the reload was taken; else the former bytes come back, proven
// in the same way. `nginx -s reload` returning 0 proves nothing: a port in use
// or a changed shared-memory zone passes `-t`, the signal is delivered, and the
// old configuration goes on serving.
//
// # The door
//
// nginx listens on a unix socket of its own, DIR/door.sock, for three purposes.
// It is the backup server of every slot: nginx picks the slot before it has read
// a request's body and connects after, so a slow upload may find its slot gone;
// the door looks at the flag again and passes the request on. It answers
// questions: GET /generation, GET /slot/APP. And it serves every app by its Host
// header, so that checks go through nginx without DNS or TLS
// ([Proxy.Transport]).
//
// # Generations
//
// Every configuration that is loaded has a number. The door answers with it, and
// the number is the name of a file, generations/N, that the configuration opens
// as a log: what a process holds open under /proc/PID/fd tells which
// configuration it runs, without traffic. A reload of generation N is taken when
// the door answers N and a worker (a process with the marker, child of the
// master) lives; it is done when no worker of an older generation accepts.
//
// # Invariants
//
//   - Every file in DIR is replaced whole (package durable); a configuration that
//     nginx refuses or does not take is replaced by the former bytes.
//   - The generation file is written before anything else of a change, so that
//     after a crash at any point "the number on disk is not the one that runs"
//     tells that a reload is due ([Proxy.Settle]).
//   - What the last Install of an app replaced stays on disk until
//     [Proxy.Accept]; [Proxy.Revert] works in any later process.
//   - nginx signals and process checks are based on who holds DIR's sockets and
//     markers, never on a pid file or a process title alone.
//   - No locking here: the caller holds ROOT/lock around Ensure, Setup, Install,
//     Revert, Accept, Remove, Settle, Unsetup and Stop. Switch, Live, Answers,
//     Prove, Drain, Seal and Unseal need only the app's own lock.
//
// # Figures
//
// Measured on nginx 1.22.1, two cores, 64 clients that keep their connections
// and a Go app behind (BenchmarkUpstream): connections to the app that nginx
// keeps for 500 ms gave 20,300 requests/s, for 60 s 22,000, none kept 9,500 and a
// port in TIME_WAIT for each request. A drain with nothing but idle connections
// took 0.51 to 0.60 s, without any 0.1 s. A verified install took 0.2 s, one that
// changes nothing 7 ms, a switch 2 ms, its proof 2 ms.
//
// # What may run twice
//
// nginx passes a request on to another replica or to the door when it could not
// be sent. A POST, LOCK or PATCH that was sent is never asked for again. GET,
// HEAD, PUT, DELETE and OPTIONS, which HTTP defines as repeatable, may be, when
// the connection breaks within the first seconds (replicas + 1); that is nginx's
// own rule (proxy_next_upstream) and cannot be narrowed by method.
package nginx
