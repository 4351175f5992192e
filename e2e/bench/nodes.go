package bench

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// podsPerNode is what a node takes by default.
const podsPerNode = 110

//go:embed stages.yaml
var stages []byte

// simulate makes nodes, and starts what plays the kubelets of all of them.
func (p *Plane) simulate(ctx context.Context, c client.Client, n int) error {
	if err := os.WriteFile(p.path("stages.yaml"), stages, 0o600); err != nil {
		return err
	}
	kwok, err := launch(p.dir, "kwok", nil,
		p.Kwok, "--kubeconfig="+p.kubeconfig(userKwok), "--config="+p.path("stages.yaml"), "--manage-all-nodes")
	if err != nil {
		return err
	}
	p.processes = append(p.processes, kwok)
	for i := range n {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i)}}
		if err := c.Create(ctx, node); err != nil {
			return err
		}
	}
	return kwok.until(ctx, 200*time.Millisecond, func(ctx context.Context) error { return nodesReady(ctx, c) })
}

func nodesReady(ctx context.Context, c client.Client) error {
	all := &corev1.NodeList{}
	if err := c.List(ctx, all); err != nil {
		return err
	}
	for _, node := range all.Items {
		if !ready(node) {
			return fmt.Errorf("node %q is not ready", node.Name)
		}
	}
	return nil
}

func ready(node corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
