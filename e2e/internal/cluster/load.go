package cluster

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	pauseImage   = "localhost/pause:1"
	gatewayImage = "localhost/meshgateway:1"
	podinfoImage = "docker.io/stefanprodan/podinfo:"
)

// podinfoVersions are those that the walks roll out, all by one program that
// tells a different version in each.
func podinfoVersions() []string {
	return []string{"3.1.0", "3.1.1", "3.1.2", "3.1.3", "3.1.4", "3.1.5", "6.0.0", "6.0.1", "6.0.2", "6.0.3"}
}

// podinfo is the image of one version. The program is started as ./podinfo by
// the manifests that are about, and podcli asks it how it is.
func podinfo(version, binary string) Image {
	return Image{
		Names: []string{podinfoImage + version},
		Files: map[string]string{
			"/home/app/podinfo": binary,
			"/home/app/podcli":  filepath.Join(filepath.Dir(binary), "podcli"),
		},
		Entrypoint: []string{"./podinfo"},
		WorkDir:    "/home/app",
		User:       "1000",
	}
}

// LoadImage puts an image into the cluster's container store.
func (l Layout) LoadImage(ctx context.Context, i Image) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(i.Write(writer)) }()
	return l.importArchive(ctx, reader)
}

// LoadArchive does the same with an image that some builder left in a file, as
// docker-archive or OCI archive.
func (l Layout) LoadArchive(ctx context.Context, file string) error {
	archive, err := os.Open(file)
	if err != nil {
		return err
	}
	defer archive.Close()
	return l.importArchive(ctx, archive)
}

func (l Layout) importArchive(ctx context.Context, archive io.Reader) error {
	cmd := exec.CommandContext(ctx, "ctr", "--address", l.socket(), "--namespace", "k8s.io", "images", "import", "-")
	cmd.Stdin = archive
	return run(cmd)
}
