package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"quoin.dev/quoin/robustness/node/subnet"
)

// label marks everything that the lab makes. For containers and networks its value is the number of the subnet: whoever has claimed that
// lives.
const label = "quoin-lab"

// imagesKept is how long images are kept that Clean finds unused, counted from when they were built.
const imagesKept = 72 * time.Hour

// quiet keeps the library from writing to the output of the lab, and from starting a reaper: an image that would have to be fetched,
// and that would remove images which are to stay. It has to come before the first use of the library.
var quiet = sync.OnceValue(func() error {
	log.SetDefault(log.NewNoopLogger())
	return os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
})

// connect connects to the container engine.
func connect(ctx context.Context) (*testcontainers.DockerProvider, error) {
	if err := quiet(); err != nil {
		return nil, err
	}
	p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		return nil, fmt.Errorf("container engine: %w", err)
	}
	if err := p.Health(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("container engine: %w", err), p.Close())
	}
	return p, nil
}

// Check says why there can be no host here; nil if there can. The lab has to be on the machine of the engine, and root: it looks into the
// network namespaces of the containers.
func Check(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("containers of the lab need root")
	}
	p, err := connect(ctx)
	if err != nil {
		return err
	}
	return p.Close()
}

// Clean removes containers and networks that were left by labs which do not live any more, and images that were built some days ago.
func Clean(ctx context.Context) error {
	p, err := connect(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	ours := client.Filters{}.Add("label", label)
	list, err := p.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return fmt.Errorf("list containers of the lab: %w", err)
	}
	var all []error
	for _, c := range list.Items {
		all = append(all, unclaimed(c.Labels, func() error {
			_, err := p.Client().ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			return ignoreMissing(err)
		}))
	}
	networks, err := p.Client().NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	if err != nil {
		return errors.Join(append(all, fmt.Errorf("list networks of the lab: %w", err))...)
	}
	for _, n := range networks.Items {
		all = append(all, unclaimed(n.Labels, func() error {
			_, err := p.Client().NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			return ignoreMissing(err)
		}))
	}
	_, err = p.Client().ImagePrune(ctx, client.ImagePruneOptions{
		Filters: ours.Clone().Add("dangling", "false").Add("until", imagesKept.String()),
	})
	return errors.Join(append(all, ignoreMissing(err))...)
}

// unclaimed calls f for what a lab has made that does not live.
func unclaimed(labels map[string]string, f func() error) error {
	n, err := strconv.Atoi(labels[label])
	if err != nil {
		return nil // not of a lab of ours, whatever it is
	}
	return subnet.Unclaimed(n, f)
}

// ignoreMissing is for what somebody else has removed at the same time.
func ignoreMissing(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}
