// Package hook runs a program of the user's at a point where the user wants a
// say, and takes away everything that the program started when it takes too
// long.
//
// Find says whether there is a hook of that name, and refuses a file that could
// not or should not be run. Command.Run runs it: what it writes goes to Output
// as it comes, and the error says how it ended, with its last lines. KillLeft
// ends what a killed zdd could not end any more.
//
// A hook has three ties to zdd, for none of them holds every child:
//
//   - its process group. A signal to it reaches all members at once, but a child
//     can leave it (setsid, daemons). It also keeps Ctrl-C away from the hook:
//     the terminal tells zdd, and zdd tells the hook.
//   - two variables, ZDD_HOOK_OWNER and ZDD_HOOK_RUN. Children inherit them
//     wherever they go, and /proc shows them. A child that clears or overwrites
//     its environment loses them.
//   - parenthood. A child of any of these is one of them. It must be seen while
//     its parent lives; so what was found once stays known, and all are stopped
//     before the first is killed.
//
// Invariants:
//
//   - A hook that ends by itself within its limit ends Run, at the latest
//     500 ms later. Children that it left on purpose live on; what they write
//     afterwards meets a closed pipe.
//   - At the limit, or when the context ends, the hook and its children get
//     SIGTERM, Grace, and then SIGKILL until none is found.
//   - No signal goes to process 1, to this process, or to a process that took
//     over the number of another: one is signalled through a pidfd that was
//     opened before its identity was looked at again. The hook itself is not
//     reaped before the last signal, so that the group's number stays its own.
//   - When zdd is killed the kernel kills the hook, though not its children:
//     they are KillLeft's, as is a hook that runs as another user (setuid),
//     for the kernel spares those.
//   - When Run returns no goroutine, descriptor, thread or zombie of it is left,
//     and Output is not written to any more. An Output that blocks delays the
//     hook and Run's return, but not the limit.
//   - Nothing that a hook writes can use unbounded memory, or put control
//     characters into an error.
//
// The package knows files, processes and time, and needs Linux 5.3 and /proc.
package hook
