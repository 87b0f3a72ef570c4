// Command app is the sample web app that zdd's tests and demo deploy: one
// static binary, so that it runs in an image FROM scratch.
//
// How it behaves is chosen by its environment, so that one image plays every
// part, the good release and the bad ones:
//
//	PORT      port to listen on; default 5000, 0 for any free one
//	LISTEN    address to listen on; default all; "never" for not at all
//	VERSION   the release's name, in every answer; default "v0"
//	BOOT      how long it takes until it listens, such as 1.5s; default 0
//	LIFE      how long it serves before it crashes, such as 2s; default forever
//	ON_START  "exit:3" prints a few log lines and exits with 3 at once
//	STATUS    the status of every answer, such as 500; default 200
//	ON_TERM   "graceful" (default) finishes the requests in flight on SIGTERM,
//	          "exit" dies in the middle of them
//	HOSTILE   "logs" fills its log; "headers", "body" and "bomb" answer without
//	          an end, the last one packed; "redirect:URL" leads elsewhere
//	IDS       folder in which it records the requests that it processed
//
// "app health" asks the app in the same container and exits with 0 when it is
// well, "app exit 3" exits with 3.
//
// Endpoints: / says hello, /healthz says ok, /json tells its state, /echo answers with a digest of
// the body, /slow?for=1.5s answers late, /upload reads a slow body to its end,
// /stream?for=5s&every=100ms sends line after line, /ws echoes messages,
// /env is refused: no environment, no secret.
//
// Invariants, on which package load relies:
//   - Every answer names the release in X-Version.
//   - A request is known by its header X-Load-Id, which the answer repeats.
//   - Its line is in the IDS folder before the first byte of its answer is
//     sent, and once for each time that the app was asked: a request that a
//     proxy sent twice is there twice.
package main
