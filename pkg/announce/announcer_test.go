package announce

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestProviderInAnotherNamespaceMayBeForbidden(t *testing.T) {
	t.Parallel()
	h := &Announcer{Local: true}
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "here", Name: "podinfo"}}
	_, err := h.provider(t.Context(), c, v1beta1.CanaryAlert{ProviderRef: v1beta1.CrossNamespaceRef{Namespace: "there", Name: "slack"}})
	require.ErrorContains(t, err, `"there/slack" is in another namespace, which --no-cross-namespace-refs forbids`)
}

func TestClusterIsNamedInEveryMessage(t *testing.T) {
	t.Parallel()
	h := &Announcer{Cluster: "blue"}
	require.Equal(t, []notify.Field{{Name: "Cluster", Value: "blue"}}, h.fields(&v1beta1.Canary{}, rollout.Plan{}, rollout.Alert{}))
}
