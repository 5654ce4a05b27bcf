package runner

import (
	"context"
	"errors"
	"fmt"

	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/containers"
	"quoin.dev/quoin/robustness/node/namespaces"
)

// Hosts that members run on.
const (
	HostAuto       = "auto"
	HostContainers = "containers"
	HostNamespaces = "namespaces"
)

// CanRun says why members can not run on a host here; nil if they can. For auto, that is so when none can be had.
func CanRun(ctx context.Context, host string) error {
	switch host {
	case HostContainers:
		return containers.Check(ctx)
	case HostNamespaces:
		return namespaces.Check()
	case HostAuto, "":
		inContainers := containers.Check(ctx)
		if inContainers == nil {
			return nil
		}
		if inNamespaces := namespaces.Check(); inNamespaces != nil {
			return errors.Join(fmt.Errorf("containers: %w", inContainers), fmt.Errorf("namespaces: %w", inNamespaces))
		}
		return nil
	default:
		return fmt.Errorf("there is no host %q: containers, namespaces, auto", host)
	}
}

func openHost(ctx context.Context, host string) (node.Host, error) {
	if err := CanRun(ctx, host); err != nil {
		return nil, err
	}
	if host == HostContainers || host != HostNamespaces && containers.Check(ctx) == nil {
		return containers.New(ctx)
	}
	return namespaces.New()
}

// Clean removes what labs that do not run any more have left.
func Clean(ctx context.Context) error {
	var errs []error
	if containers.Check(ctx) == nil {
		errs = append(errs, containers.Clean(ctx))
	}
	if namespaces.Check() == nil {
		errs = append(errs, namespaces.Clean())
	}
	return errors.Join(errs...)
}
