// Command bench measures what many Canaries cost, on a control plane of its own
// with nodes that are made up. It needs nothing but Go.
package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-cd/sluice/e2e/bench"
	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/program"
)

func main() { program.Main("bench", root().ExecuteContext) }

func root() *cobra.Command {
	o := bench.Options{Out: os.Stdout, Err: os.Stderr}
	var peer string
	var settled int
	command := &cobra.Command{
		Use: "bench", Short: "Measure what many Canaries cost, at rest and rolling out at once",
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			source, err := cluster.Source()
			if err != nil {
				return err
			}
			o.Root = filepath.Dir(source)
			if peer != "" {
				o.Operator, o.Peer = peer, true
			}
			if settled > 0 {
				o.N, o.Settled = settled, true
			}
			return bench.Run(c.Context(), o)
		},
	}
	flags := command.Flags()
	flags.IntVarP(&o.N, "canaries", "n", 100, "how many Canaries")
	flags.Int32Var(&o.Replicas, "replicas", 1, "pods of each Deployment")
	flags.IntVar(&o.Nodes, "nodes", 0, "nodes; each takes 110 pods; left out, as many as they need")
	flags.DurationVar(&o.Idle, "idle", time.Minute, "how long nothing happens")
	flags.StringVar(&o.Operator, "operator", "", "program to measure; left out, it is built")
	flags.StringVar(&peer, "peer", "", "program of another operator of this API to measure, which may poll")
	flags.DurationVar(&o.Interval, "interval", 10*time.Second, "how long each of the five steps lasts")
	flags.IntVar(&settled, "settled", 0, "how many Canaries at rest, without pods, instead: none is rolled out")
	flags.StringVar(&o.Figures, "figures", "", "page that what was measured is written into: docs/operations/figures.md")
	flags.StringVar(&o.Compare, "compare", "", "page that what was measured is compared with; what got worse is printed")
	flags.BoolVar(&o.Trace, "trace", false, "list every request about one of the rollouts")
	flags.BoolVar(&o.Keep, "keep", false, "leave logs and the audit log behind")
	return command
}
