package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/related"
	"github.com/sluice-cd/sluice/pkg/view"
)

type logs struct {
	cluster
	watch     bool
	side      string
	container string
	tail      int64
	since     time.Duration
}

func newLogs() *cobra.Command {
	l := &logs{}
	c := &cobra.Command{
		Use:               "logs NAME",
		Short:             "Print the logs of the pods of both sides, or of one",
		Example:           "  kubectl sluice logs podinfo --side canary -w",
		Args:              oneArg,
		ValidArgsFunction: l.complete,
		RunE:              func(c *cobra.Command, args []string) error { return l.run(c, named(args)[0]) },
	}
	f := c.Flags()
	f.BoolVarP(&l.watch, "watch", "w", false, "Go on printing them")
	f.StringVar(&l.side, "side", "both", "canary, primary or both")
	f.StringVarP(&l.container, "container", "c", "", "Container whose log is printed; left out: all")
	f.Int64Var(&l.tail, "tail", 20, "Lines of each container; -1: all")
	f.DurationVar(&l.since, "since", 0, "Only what is not older")
	l.addFlags(c)
	return c
}

// source is a container whose log is printed.
type source struct{ pod, container string }

func (l *logs) run(c *cobra.Command, name string) error {
	if l.side != "canary" && l.side != "primary" && l.side != "both" {
		return usageError{fmt.Errorf("--side %q is none of canary, primary, both", l.side)}
	}
	k, err := l.connect()
	if err != nil {
		return err
	}
	ctx := c.Context()
	canary, err := k.canary(ctx, name)
	if err != nil {
		return err
	}
	sources, unread := l.sources(related.Objects(ctx, k, canary), canary)
	if len(sources) == 0 {
		if len(unread) > 0 {
			return fmt.Errorf("cannot read %s", unread[0])
		}
		return errors.New("there are no such pods; those of a canary end with its rollout")
	}
	core, err := k.coreClient()
	if err != nil {
		return err
	}
	p := &printer{out: c.OutOrStdout()}
	if !l.watch {
		var errs []error
		for _, s := range sources {
			errs = append(errs, l.print(ctx, core, canary.Namespace, s, p))
		}
		return errors.Join(errs...)
	}
	errs := make([]error, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() { errs[i] = l.print(ctx, core, canary.Namespace, s, p) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// sources are the containers of a side's pods.
func (l *logs) sources(o view.Objects, c *v1beta1.Canary) (sources []source, unread []string) {
	owners := map[string]string{} // of pods, by UID: the workload
	for _, d := range o.Deployments {
		for _, rs := range o.ReplicaSets {
			if metav1.IsControlledBy(&rs, &d) {
				owners[string(rs.UID)] = d.Name
			}
		}
	}
	for _, d := range o.DaemonSets {
		owners[string(d.UID)] = d.Name
	}
	wanted := map[string]bool{c.Spec.TargetRef.Name: l.side != "primary", c.PrimaryWorkload(): l.side != "canary"}
	for _, p := range o.Pods {
		for _, ref := range p.OwnerReferences {
			if !wanted[owners[string(ref.UID)]] {
				continue
			}
			for _, container := range p.Spec.Containers {
				if l.container == "" || l.container == container.Name {
					sources = append(sources, source{p.Name, container.Name})
				}
			}
		}
	}
	return sources, o.Unread
}

// coreClient asks for logs, which are no objects.
func (k *connection) coreClient() (rest.Interface, error) {
	config := rest.CopyConfig(k.config)
	gv := corev1.SchemeGroupVersion
	config.GroupVersion, config.APIPath = &gv, "/api"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	return rest.RESTClientFor(config)
}

// longestLine is where a line of a log is cut, in bytes.
const longestLine = 1 << 20

func (l *logs) print(ctx context.Context, core rest.Interface, namespace string, s source, p *printer) error {
	o := &corev1.PodLogOptions{Container: s.container, Follow: l.watch}
	if l.tail >= 0 {
		o.TailLines = &l.tail
	}
	if l.since > 0 {
		seconds := int64(max(l.since.Seconds(), 1))
		o.SinceSeconds = &seconds
	}
	stream, err := core.Get().Namespace(namespace).Resource("pods").Name(s.pod).SubResource("log").VersionedParams(o, scheme.ParameterCodec).Stream(ctx)
	if err != nil {
		return fmt.Errorf("log of %s %s: %w", s.pod, s.container, err)
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		p.line("[" + view.Clean(s.pod+" "+s.container, 300) + "] " + indented(lines.Text(), longestLine))
	}
	return lines.Err()
}

// printer prints whole lines of several logs.
type printer struct {
	mu  sync.Mutex
	out io.Writer
}

func (p *printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out, text)
}
