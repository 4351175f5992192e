package metric

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// pathRecorder is a Kubernetes API that remembers what it was asked for.
type pathRecorder struct{ paths []string }

func (p *pathRecorder) Do(_ context.Context, _, path string, _ []byte) ([]byte, error) {
	p.paths = append(p.paths, path)
	return []byte(`{"preferredVersion":{"groupVersion":"metrics.keptn.sh/v1"},"status":{"value":"1","state":"Completed","pass":true},"items":[{"value":"1"}]}`), nil
}

// TestQueriesOfOtherNamespaces has queries that name objects beyond the Canary's namespace, read with the operator's rights.
func TestQueriesOfOtherNamespaces(t *testing.T) {
	for kind, queries := range map[v1beta1.MetricProviderType][]string{
		"keptn":           {"keptnmetric/NS/errors", "analysis/NS/definition/1m/a=b"},
		"externalmetrics": {"NS/error-rate?labelSelector=a%3Db"},
	} {
		for _, query := range queries {
			for namespace, local := range map[string]bool{"shop": true, "bank": false} {
				c := &pathRecorder{}
				p, err := New(v1beta1.MetricProvider{Type: kind}, Settings{Namespace: "shop", Local: true, Cluster: c, Job: Job{Round: "1"}})
				require.NoError(t, err)
				_, err = p.Query(t.Context(), strings.Replace(query, "NS", namespace, 1))
				if local {
					require.NoError(t, err, query)
					continue
				}
				require.ErrorContains(t, err, `namespace "bank", which --no-cross-namespace-refs forbids`, query)
				require.Empty(t, c.paths, "Whether it is there is not told either.")
				p, err = New(v1beta1.MetricProvider{Type: kind}, Settings{Namespace: "shop", Cluster: c, Job: Job{Round: "1"}})
				require.NoError(t, err)
				_, err = p.Query(t.Context(), strings.Replace(query, "NS", namespace, 1))
				require.NoError(t, err, "Without the flag manifests work as they do.")
			}
		}
	}
}
