// Package container runs a release of an app as containers on a Docker engine.
//
// An Engine is a connection to one engine for one root (zdd's data folder).
// The story of a deploy, as this package sees it:
//
//	engine.Resolve or Build   the image: found, pulled or built; Tag keeps it
//	engine.ReadFiles          what the image itself says of its checks
//	engine.EnsureNetwork      the root's bridge, once
//	engine.RunOnce            the release command, if there is one
//	engine.Start              one Instance for each address of the idle slot
//	engine.Guard              a context that ends when an instance does
//	engine.Exec               a command inside an instance, for its checks
//	engine.Running, Listeners since when an instance runs, and where it listens
//	engine.Promote            from here on the engine brings them back
//	engine.Stop, Remove       the release that was replaced, now or later
//
// and of a rollback: Restart instead of Start, where the containers were kept.
//
// # Invariants
//
// Everything made here carries the label zdd.root with the root as its value.
// Nothing without it is changed or removed, and it is read again from the
// engine just before a removal. Images have no labels of ours: of them only
// tags are added and removed, one by one.
//
// No port is published. An instance is reached at its address, on a bridge
// whose containers cannot reach each other. The addresses come from the
// caller, who keeps them; an instance has the same one each time it starts.
//
// A command in an instance ends with the context of its call, as far as this
// machine can end it. What is killed for that is of the container for sure: a
// process's number alone is never believed.
//
// A call that fails or is cancelled leaves nothing that it made. A zdd that is
// killed does; the names and labels say to whom it belongs, so List,
// RemoveTasks and the next Start find it.
//
// An Instance, an Image and a Network are values, true when they were read.
// Only their names and addresses are used above this package; on which host
// they are is nobody's business there.
//
// Errors are typed for what a caller decides by, and those types that know what
// the operator can do next have a method Hint() string. The rules of the
// engine are those of the Docker Engine API,
// https://docs.docker.com/reference/api/engine/, from version 1.41 on: the
// signal of a stop, for one, cannot be chosen there, so it is the image's.
package container
