// Command cluster makes, shows and removes the cluster that tests and
// demonstrations run on.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/program"
)

func main() { program.Main("cluster", root().ExecuteContext) }

func root() *cobra.Command {
	layout := cluster.DefaultLayout()
	say := &cluster.Speaker{Out: os.Stderr, Now: time.Now}
	command := &cobra.Command{
		Use: "cluster", Short: "A real Kubernetes cluster of one node, with Istio's control plane",
		SilenceUsage: true, SilenceErrors: true,
	}
	command.PersistentFlags().StringVar((*string)(&layout), "dir", string(layout), "where the cluster lives (env SLUICE_E2E_DIR)")
	command.AddCommand(
		up(&layout, say), down(&layout, say), status(&layout, say), kubeconfig(&layout),
		load(&layout, say), buildImage(&layout, say),
	)
	return command
}

func up(l *cluster.Layout, say *cluster.Speaker) *cobra.Command {
	var o cluster.Options
	command := &cobra.Command{
		Use: "up", Short: "Make the cluster, unless it is there", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return l.Up(c.Context(), o, say) },
	}
	command.Flags().BoolVar(&o.ControlPlaneOnly, "control-plane-only", false, "no node, no mesh: etcd, API server and controllers")
	command.Flags().BoolVar(&o.Audit, "audit", false, "log every request to the API server")
	return command
}

func down(l *cluster.Layout, say *cluster.Speaker) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Remove the cluster, also half of one", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return l.Down(c.Context(), say) },
	}
}

func status(l *cluster.Layout, say *cluster.Speaker) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what runs; fails unless all does", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			whole, err := l.Status(c.Context(), say)
			if err == nil && !whole {
				err = errors.New("the cluster is not whole")
			}
			return err
		},
	}
}

func kubeconfig(l *cluster.Layout) *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print where the kubeconfig is", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { fmt.Println(l.Kubeconfig()) },
	}
}

func load(l *cluster.Layout, say *cluster.Speaker) *cobra.Command {
	return &cobra.Command{
		Use: "load ARCHIVE...", Short: "Put images from files into the cluster", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			for _, file := range files {
				if err := say.Step("load "+file, func() error { return l.LoadArchive(c.Context(), file) }); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func buildImage(l *cluster.Layout, say *cluster.Speaker) *cobra.Command {
	var b cluster.Build
	command := &cobra.Command{
		Use: "build-image", Short: "Build a Dockerfile and put the image into the cluster", Args: cobra.NoArgs,
		Long: "Build a Dockerfile and put the image into the cluster. With --build-arg BASE=" + cluster.DebianBase +
			" that base is made first, once.",
		RunE: func(c *cobra.Command, _ []string) error {
			return say.Step("image "+b.Tag, func() error { return l.BuildImage(c.Context(), b, say.Out) })
		},
	}
	flags := command.Flags()
	flags.StringVar(&b.Dockerfile, "dockerfile", "Dockerfile", "what to build")
	flags.StringVar(&b.Context, "context", ".", "folder that COPY reads from")
	flags.StringVar(&b.Target, "target", "", "stage to build; empty: the last")
	flags.StringVar(&b.Tag, "tag", "", "full name of the image")
	flags.StringArrayVar(&b.Args, "build-arg", nil, "NAME=VALUE, may be repeated")
	_ = command.MarkFlagRequired("tag")
	return command
}
