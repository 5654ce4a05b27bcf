package containers

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"quoin.dev/quoin/robustness/build"
	"quoin.dev/quoin/robustness/node/containers/order"
)

// repository is the name of all images of the lab; their tags say what is in them.
const repository = "quoin-lab"

// images has an image made for each content of a binary.
type images struct {
	provider *testcontainers.DockerProvider
	gate     string

	mu   sync.Mutex // held while an image is made, guards made
	made map[string]string
}

func newImages(p *testcontainers.DockerProvider, gate string) *images {
	return &images{provider: p, gate: gate, made: map[string]string{}}
}

// of returns the name of the image with this binary.
func (i *images) of(ctx context.Context, binary string) (string, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	key := fmt.Sprint(binary, info.Size(), info.ModTime().UnixNano())
	if name, ok := i.made[key]; ok {
		return name, nil
	}
	tag, err := i.tag(binary)
	if err != nil {
		return "", err
	}
	name := repository + ":" + tag
	_, err = i.provider.Client().ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		err = i.build(ctx, tag, binary)
	}
	if err != nil {
		return "", fmt.Errorf("image with %s: %w", binary, err)
	}
	i.made[key] = name
	return name, nil
}

// dockerfile has the path of the gate put in.
const dockerfile = "FROM scratch\nCOPY gate program /\nENTRYPOINT [%q]\n"

// tag is a hash of everything that is in an image.
func (i *images) tag(binary string) (string, error) {
	program, err := build.Hash(binary)
	if err != nil {
		return "", err
	}
	gate, err := build.Hash(i.gate)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(program + gate + dockerfile))
	return hex.EncodeToString(sum[:8]), nil
}

func (i *images) build(ctx context.Context, tag, binary string) error {
	archive, err := os.CreateTemp("", "quoin-lab-image-")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if err := i.pack(archive, binary); err != nil {
		return err
	}
	_, err = i.provider.BuildImage(ctx, &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		ContextArchive: archive, Repo: repository, Tag: tag, KeepImage: true,
		BuildOptionsModifier: func(o *client.ImageBuildOptions) { o.Labels = map[string]string{label: ""} },
	}})
	return err
}

// pack writes what the engine builds the image from.
func (i *images) pack(archive *os.File, binary string) error {
	w := tar.NewWriter(archive)
	text := fmt.Sprintf(dockerfile, order.Gate)
	err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = io.Copy(w, strings.NewReader(text))
	}
	err = errors.Join(err, addProgram(w, "gate", i.gate), addProgram(w, "program", binary), w.Close())
	if err != nil {
		return err
	}
	_, err = archive.Seek(0, io.SeekStart)
	return err
}

func addProgram(w *tar.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
