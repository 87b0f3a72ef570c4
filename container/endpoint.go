package container

import (
	"fmt"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/docker/client"
)

// The docker command line's own names, see
// https://docs.docker.com/reference/cli/docker/#environment-variables.
const (
	contextVariable = "DOCKER_CONTEXT"
	defaultContext  = "default"
)

// endpoint finds the engine in the order of the docker command line: the
// address given, DOCKER_HOST, DOCKER_CONTEXT, the current context, the default
// socket. The address comes back even with an error, for the message.
func endpoint(given string) ([]client.Opt, string, error) {
	host := given
	if host == "" {
		host = os.Getenv(client.EnvOverrideHost)
	}
	if host != "" {
		options, err := hostOptions(host)
		return options, host, err
	}
	name, err := contextName()
	if err != nil {
		return nil, client.DefaultDockerHost, err
	}
	if name == defaultContext {
		return []client.Opt{client.WithVersionFromEnv()}, client.DefaultDockerHost, nil
	}
	options, err := contextOptions(name)
	return options, "context " + name, err
}

// hostOptions is for a plain address. TLS comes from DOCKER_TLS_VERIFY and
// DOCKER_CERT_PATH; ssh:// goes through the ssh command.
func hostOptions(host string) ([]client.Opt, error) {
	meta := docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: host}}
	options, err := meta.ClientOpts()
	if err != nil {
		return nil, err
	}
	// The TLS option replaces the HTTP client, so it has to be the first.
	options = append([]client.Opt{client.WithTLSClientConfigFromEnv()}, options...)
	return append(options, client.WithVersionFromEnv()), nil
}

func contextName() (string, error) {
	if name := os.Getenv(contextVariable); name != "" {
		return name, nil
	}
	file, err := config.Load(config.Dir())
	if err != nil {
		return "", err
	}
	if file.CurrentContext == "" {
		return defaultContext, nil
	}
	return file.CurrentContext, nil
}

func contextOptions(name string) ([]client.Opt, error) {
	contexts := store.New(config.ContextStoreDir(), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} }),
	))
	metadata, err := contexts.GetMetadata(name)
	if err != nil {
		return nil, err
	}
	meta, err := docker.EndpointFromContext(metadata)
	if err != nil {
		return nil, fmt.Errorf("docker context %q: %w", name, err)
	}
	found, err := docker.WithTLSData(contexts, name, meta)
	if err != nil {
		return nil, fmt.Errorf("docker context %q: %w", name, err)
	}
	return found.ClientOpts()
}
