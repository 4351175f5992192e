package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"sort"
	"strings"
	"time"
)

// Image is a container image of a few files, made without a container engine.
type Image struct {
	// Names are full references, such as docker.io/stefanprodan/podinfo:3.1.0.
	Names []string
	// Files maps where a file is in the image to where it is on this machine.
	// All are readable and executable by everyone.
	Files      map[string]string
	Entrypoint []string
	WorkDir    string
	User       string
}

// imageConfig is the part of an image's configuration that containerd reads.
type imageConfig struct {
	Architecture string      `json:"architecture"`
	OS           string      `json:"os"`
	Config       processSpec `json:"config"`
	RootFS       rootFS      `json:"rootfs"`
}

type processSpec struct {
	Entrypoint []string
	WorkingDir string   `json:",omitempty"`
	User       string   `json:",omitempty"`
	Env        []string `json:",omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write gives the image as a docker-archive: its configuration, one layer, and
// a manifest that names both. The same files give the same bytes.
func (i Image) Write(w io.Writer) error {
	layer, err := i.layer()
	if err != nil {
		return fmt.Errorf("image %q: %w", i.Names, err)
	}
	config, err := json.Marshal(i.config(layer))
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256(config))
	index, err := json.Marshal([]manifest{{Config: name, RepoTags: i.Names, Layers: []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, entry := range []struct {
		name string
		body []byte
	}{{name, config}, {"layer.tar", layer}, {"manifest.json", index}} {
		if err := addFile(archive, entry.name, entry.body, 0o644); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (i Image) config(layer []byte) imageConfig {
	return imageConfig{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Config: processSpec{
			Entrypoint: i.Entrypoint, WorkingDir: i.WorkDir, User: i.User,
			Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:" + i.WorkDir},
		},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	}
}

// layer is a tar of the files and the folders above them, in the order of their
// names, so that it does not depend on that of a map.
func (i Image) layer() ([]byte, error) {
	targets := make([]string, 0, len(i.Files))
	for target := range i.Files {
		targets = append(targets, target)
	}
	sort.Strings(targets)
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	// Programs expect to be able to write there, and the image has no user
	// who could make it.
	if err := addFolders(archive, append([]string{"/tmp/x"}, targets...)); err != nil {
		return nil, err
	}
	for _, target := range targets {
		body, err := os.ReadFile(i.Files[target])
		if err != nil {
			return nil, err
		}
		if err := addFile(archive, strings.TrimPrefix(target, "/"), body, 0o755); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), archive.Close()
}

func addFolders(archive *tar.Writer, targets []string) error {
	seen := map[string]bool{"/": true}
	var add func(string) error
	add = func(dir string) error {
		if seen[dir] {
			return nil
		}
		seen[dir] = true
		if err := add(path.Dir(dir)); err != nil {
			return err
		}
		mode := int64(0o755)
		if dir == "/tmp" {
			mode = 0o1777
		}
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: mode, ModTime: time.Unix(0, 0)})
	}
	for _, target := range targets {
		if err := add(path.Dir(target)); err != nil {
			return err
		}
	}
	return nil
}

func addFile(archive *tar.Writer, name string, body []byte, mode int64) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: mode, ModTime: time.Unix(0, 0)}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(body)
	return err
}
