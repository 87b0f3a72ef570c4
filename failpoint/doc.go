// Package failpoint lets a test strike a running zdd at a named point: kill it
// there, interrupt it, stop it, or make a write fail. It is empty in every
// build without the tag "failpoint": no point costs anything or can be reached
// by an environment variable in a zdd that users have.
//
// A point is named in the code, by the words that say what is about to happen
// ("before switch", "renaming state.json"). Numbers in it are written as N, so
// that a point keeps its name from one release to the next.
//
// In a build with the tag two variables are read:
//
//	ZDD_FAILPOINT=ACTION@POINT[#N[+]]   do ACTION at the Nth pass of POINT (the first
//	                                    one by default), with + at all later ones too
//	ZDD_FAILPOINT_LOG=FILE              append the name of each point that is passed
//
// The actions are
//
//	kill    SIGKILL: nothing after the point happens
//	term    SIGTERM, as a pipeline sends it
//	int     SIGINT, as a terminal sends it
//	twice   SIGINT two times, as an impatient person sends it
//	stop    SIGSTOP: zdd stands still until somebody sends SIGCONT
//	panic   a fault in zdd's own code
//	enospc, eio, eacces    the write fails with that error
//	short   half of the bytes are written, and then the disk is full
//
// The last four do something only at a point that can fail: [Fail] and [Write].
// A value that cannot be read ends the process: a drill that strikes nothing
// would be green for the wrong reason.
package failpoint
