package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// up is one run of Up.
type up struct {
	Layout
	Options
	say      *Speaker
	builder  builder
	programs programs
	podinfo  map[string]string // binary of each version
	crds     string
	revision string
}

// prepare installs and builds everything, before anything of a cluster that
// runs is touched: it may take minutes, and may fail.
func (u *up) prepare(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root: it makes containers and networks")
	}
	source, err := Source()
	if err != nil {
		return err
	}
	u.builder = builder{source: source, progress: u.say.Out}
	if err := u.say.Step("Debian packages", func() error { return installPackages(ctx, u.say.Out) }); err != nil {
		return err
	}
	return u.say.Step("programs", func() error { return u.build(ctx) })
}

// build builds all programs by one call, so that it can say how many are to come.
func (u *up) build(ctx context.Context) error {
	names := []string{"kube"}
	if !u.ControlPlaneOnly {
		names = append(names, "coredns", "istiod")
		for _, version := range podinfoVersions() {
			names = append(names, "podinfo@"+version)
		}
	}
	built, err := u.builder.build(ctx, names...)
	if err != nil {
		return err
	}
	u.programs.Kube = built[0]
	if !u.ControlPlaneOnly {
		if err := u.useMesh(ctx, built[1:]); err != nil {
			return err
		}
	}
	u.revision, err = u.digest()
	return err
}

// useMesh takes what only a cluster with a node runs, and builds our own part of it.
func (u *up) useMesh(ctx context.Context, built []string) error {
	u.programs.CoreDNS, u.programs.Istiod, u.podinfo = built[0], built[1], map[string]string{}
	for i, version := range podinfoVersions() {
		u.podinfo[version] = built[2+i]
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if u.crds, err = u.builder.module(ctx, "istiod", "istio.io/istio"); err != nil {
		return err
	}
	return u.buildOwn(ctx, cache)
}

// own are the e2e module's commands that the cluster runs, and where each goes.
func (u *up) own() map[string]*string {
	return map[string]*string{
		"meshgateway": &u.programs.Gateway, "slackreceiver": &u.programs.Slack,
		"cluster/targets": &u.programs.Targets, "cluster/pause": &u.programs.Pause,
	}
}

// buildOwn compiles them. Go's build cache makes that quick when nothing changed.
func (u *up) buildOwn(ctx context.Context, cache string) error {
	for name, file := range u.own() {
		*file = filepath.Join(cache, "e2e", filepath.Base(name))
		if err := u.say.Step("./cmd/"+name, func() error { return u.builder.command(ctx, name, *file) }); err != nil {
			return err
		}
	}
	return nil
}

// digest changes with our configuration, our manifests and our own programs; the
// others have theirs in their paths.
func (u *up) digest() (string, error) {
	hash := sha256.New()
	for _, files := range []fs.FS{configFiles, manifestFiles} {
		if err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(files, name)
			hash.Write(raw)
			return err
		}); err != nil {
			return "", err
		}
	}
	for _, p := range u.parts() {
		fmt.Fprintln(hash, p.name, p.argv, p.env)
	}
	for _, file := range []string{u.programs.Gateway, u.programs.Slack, u.programs.Targets, u.programs.Pause} {
		if err := hashFile(hash, file); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

func hashFile(w io.Writer, file string) error {
	if file == "" {
		return nil
	}
	opened, err := os.Open(file)
	if err != nil {
		return err
	}
	defer opened.Close()
	_, err = io.Copy(w, opened)
	return err
}

func (u *up) state() state {
	s := state{Options: u.Options, Programs: u.programs, Revision: u.revision}
	for _, p := range u.parts() {
		s.Parts = append(s.Parts, p.name)
	}
	return s
}

// parts are all processes, in the order in which they start: each finds running
// what it needs.
func (u *up) parts() []part {
	control := []part{etcd(u.Layout, u.programs), apiServer(u.Layout, u.programs, u.Audit), controllerManager(u.Layout, u.programs)}
	if u.ControlPlaneOnly {
		return control
	}
	return append(control,
		scheduler(u.Layout, u.programs), containerd(u.Layout), kubelet(u.Layout, u.programs), kubeProxy(u.Layout, u.programs),
		coreDNS(u.Layout, u.programs), istiod(u.Layout, u.programs), targetList(u.Layout, u.programs), prometheus(u.Layout), slack(u.programs), mesh(u.programs),
	)
}

// run makes the cluster out of what prepare has made ready.
func (u *up) run(ctx context.Context) error {
	if err := u.say.Step("directory, certificates, configuration", u.files); err != nil {
		return err
	}
	if err := u.say.Step("network", func() error { return u.network(ctx) }); err != nil {
		return err
	}
	for _, p := range u.parts() {
		if err := u.say.Step(p.name, func() error { return u.bringUp(ctx, p) }); err != nil {
			return err
		}
	}
	if u.ControlPlaneOnly {
		return nil
	}
	return u.finish(ctx)
}

func (u *up) files() error {
	if err := u.make(); err != nil {
		return err
	}
	if err := u.remember(); err != nil {
		return err
	}
	if err := writePKI(u.Layout, time.Now()); err != nil {
		return err
	}
	return writeConfigs(u.Layout)
}

func (u *up) network(ctx context.Context) error {
	if err := bridgeUp(ctx); err != nil {
		return err
	}
	if u.ControlPlaneOnly {
		return nil
	}
	if err := u.groupUp(); err != nil {
		return err
	}
	// The second makes answers of one pod to another pass the rules that
	// turned a Service's address into a pod's; without bridges' rules in the
	// kernel there is nothing to set.
	_ = setKernel("net/bridge/bridge-nf-call-iptables", "1")
	return setKernel("net/ipv4/ip_forward", "1")
}

// bringUp starts a part, waits for it, and then does what only it made possible.
func (u *up) bringUp(ctx context.Context, p part) error {
	if p.ready != nil && p.ready(ctx) == nil {
		return errors.New("something else answers at its address already")
	}
	started, err := u.start(p.name, p.argv, p.env)
	if err != nil {
		return err
	}
	if err := u.await(ctx, p, started); err != nil {
		return err
	}
	switch p.name {
	case "kube-apiserver":
		return u.afterAPIServer(ctx)
	case "containerd":
		return u.images(ctx)
	}
	return nil
}

// afterAPIServer gives everything that follows its kinds, rights and names.
func (u *up) afterAPIServer(ctx context.Context) error {
	if err := u.apply(ctx, "base.yaml"); err != nil {
		return err
	}
	if u.ControlPlaneOnly {
		return nil
	}
	if err := u.apply(ctx, "mesh.yaml"); err != nil {
		return err
	}
	return u.applyFile(ctx, filepath.Join(u.crds, "manifests", "charts", "base", "files", "crd-all.gen.yaml"))
}

// images loads what no pod could start without; there is no registry to ask.
func (u *up) images(ctx context.Context) error {
	images := []Image{
		{Names: []string{pauseImage}, Files: map[string]string{"/pause": u.programs.Pause}, Entrypoint: []string{"/pause"}},
		{Names: []string{gatewayImage}, Files: map[string]string{"/meshgateway": u.programs.Gateway}, Entrypoint: []string{"/meshgateway"}},
	}
	for _, version := range podinfoVersions() {
		images = append(images, podinfo(version, u.podinfo[version]))
	}
	for _, image := range images {
		if err := u.LoadImage(ctx, image); err != nil {
			return err
		}
	}
	return nil
}

// finish deploys the gateway and lets pods' traffic through the mesh.
func (u *up) finish(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"gateway", func() error { return u.apply(ctx, "gateway.yaml") }},
		{"node ready", func() error { return u.waitForNode(ctx) }},
		{"gateway ready", func() error { return u.waitForGateway(ctx) }},
		{"capture of the mesh's traffic", func() error { return captureUp(ctx) }},
	} {
		if err := u.say.Step(step.name, step.do); err != nil {
			return err
		}
	}
	return nil
}
