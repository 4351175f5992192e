package main

import (
	"fmt"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/view"
)

// operatorLabels are on the Deployments of operators.
var operatorLabels = client.MatchingLabels{"app.kubernetes.io/name": "sluice"}

func newVersion() *cobra.Command {
	k := &cluster{}
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the operators of the cluster",
		Args:  noArgs,
	}
	own := c.Flags().Bool("client", false, "Of this program only")
	c.RunE = func(c *cobra.Command, _ []string) error {
		fmt.Fprintln(c.OutOrStdout(), version)
		if *own {
			return nil
		}
		connection, err := k.connect()
		if err != nil { // a pipeline that only looks at files has no cluster
			fmt.Fprintln(c.ErrOrStderr(), "no cluster:", err)
			return nil
		}
		operators := &appsv1.DeploymentList{}
		if err := connection.List(c.Context(), operators, operatorLabels, client.Limit(pageSize)); err != nil {
			return fmt.Errorf("look for operators: %w", err)
		}
		for _, o := range operators.Items {
			for _, container := range o.Spec.Template.Spec.Containers {
				fmt.Fprintf(c.OutOrStdout(), "operator %s/%s: %s\n", view.Clean(o.Namespace, 63), view.Clean(o.Name, 253), view.Clean(container.Image, 300))
			}
		}
		return nil
	}
	k.addFlags(c)
	return c
}
