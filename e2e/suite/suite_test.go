// Package suite runs the product on a real cluster and looks at it with its users' eyes: kubectl, events,
// chat messages, and above all requests that never stop. Nothing here is a mock: pods start and stop, istiod
// computes the routes, Prometheus scrapes, and kills are kills.
//
//	Walk           the walk through the examples, word by word
//	Scenarios      everything else that can happen to a rollout, each in a namespace of its own
//	Operator       what happens to rollouts when it is the operator that fails
//	Measurements   how long, how many requests, how much memory; printed, not judged
//	Pages          the commands of README and tutorials, as they are printed
//
// It runs on the cluster of KUBECONFIG, or on the local one, which it starts if need be.
package suite

import (
	"flag"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// atOnce is how many scenarios run at the same time. They mostly wait, so that a machine with two cores bears
// more than two; flags of `go test` count more.
const atOnce = "6"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	flag.Parse()
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func TestE2E(t *testing.T) {
	w := newWorld(t)
	t.Run("Together", func(t *testing.T) {
		t.Run("Walk", func(t *testing.T) {
			t.Parallel()
			testWalk(t, w)
		})
		for name, scenario := range scenarios() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				t.Log(scenario.reason)
				scenario.play(stage(t, w, name))
			})
		}
	})
	t.Run("Operator", func(t *testing.T) { testOperator(t, w) })
	t.Run("Measurements", func(t *testing.T) { testMeasurements(t, w) })
	t.Run("Pages", func(t *testing.T) { testPages(t, w) })
}
