// Package dockertest is a Docker engine without a daemon, for tests: it speaks
// the engine's API on a socket, and what runs in its containers is a Go
// function.
//
// The images and their names are those of go-dockerclient's DockerServer. The
// rest of that server is replaced, because it differs from an engine where zdd
// would notice: it knows no label filters, no container state, no static
// addresses and no networks of a subnet, frames no logs, and speaks API 1.24.
//
// An Image is told its files, links and health check; OnExec is told what docker
// exec runs. With Proc as the Config's, the containers have processes and
// sockets to be seen, too.
//
// Everything here that another package's tests rely on is held against the
// real engine: package container runs one set of tests, its contract, on both.
package dockertest
