package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// namespaces are the annotations of all that there are.
type namespaces map[string]map[string]string

func (n namespaces) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	annotations, ok := n[key.Name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, key.Name)
	}
	obj.(*metav1.PartialObjectMetadata).Annotations = annotations
	return nil
}

func (namespaces) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func TestHosts(t *testing.T) {
	all := namespaces{
		"team-a": {HostsAnnotation: "shop.example.com, *.team-a.example.com", GatewaysAnnotation: "edge/public"},
		"team-b": nil,
	}
	denied := &NotPermittedError{Verb: "list", Resource: "namespaces", ReadOnly: true}
	for name, tc := range map[string]struct {
		reason   string
		claim    router.Claim
		enforced bool
		watch    error
		says     string
	}{
		"Own":             {reason: "one's own Service in full", claim: router.Claim{Host: "web.team-a.svc.cluster.local"}, enforced: true},
		"OwnShort":        {reason: "and in two words", claim: router.Claim{Host: "web.team-a"}, enforced: true},
		"Apex":            {reason: "and in one, in a mesh", claim: router.Claim{Host: "web", Local: true}, enforced: true},
		"Other":           {reason: "another's Service", claim: router.Claim{Host: "web.team-b.svc"}, says: `is a host of namespace "team-b"`},
		"OtherShort":      {reason: "in two words", claim: router.Claim{Host: "web.team-b"}, says: `is a host of namespace "team-b"`},
		"OtherUnreadable": {reason: "which needs no look at Namespaces", claim: router.Claim{Host: "web.team-b.svc"}, watch: denied, says: "team-b"},
		"NoNamespace":     {reason: "two words that are a host of the world", claim: router.Claim{Host: "example.com"}},
		"Unreadable":      {reason: "an operator of one namespace can't tell, and goes on as ever", claim: router.Claim{Host: "web.team-b"}, watch: denied},
		"World":           {reason: "nobody said whose it is", claim: router.Claim{Host: "bank.example.com"}},
		"Wide":            {reason: "the Services of others are among them", claim: router.Claim{Host: "*.local"}, says: "includes hosts of other namespaces"},
		"All":             {reason: "a gateway of one's own may take all", claim: router.Claim{Host: "*"}},

		"Listed":           {reason: "the Namespace lists it", claim: router.Claim{Host: "shop.example.com"}, enforced: true},
		"ListedWide":       {reason: "in another way", claim: router.Claim{Host: "x.team-a.example.com"}, enforced: true},
		"Unlisted":         {reason: "and nothing else", claim: router.Claim{Host: "bank.example.com"}, enforced: true, says: "sluice.dev/allowed-hosts of Namespace \"team-a\""},
		"UnlistedAll":      {reason: "all are more than are listed", claim: router.Claim{Host: "*"}, enforced: true, says: "is not listed"},
		"UnlistedShort":    {reason: "at a gateway a word is a host", claim: router.Claim{Host: "web"}, enforced: true, says: "is not listed"},
		"LocalAll":         {reason: "a star is no Service", claim: router.Claim{Host: "*", Local: true}, enforced: true, says: "is not listed"},
		"UnreadableStrict": {reason: "what is enforced is not let pass", claim: router.Claim{Host: "shop.example.com"}, enforced: true, watch: denied, says: "may not list namespaces: grant its account get, list and watch"},
		"Gateway":          {reason: "one's own", claim: router.Claim{Gateway: "team-a/x"}, enforced: true},
		"GatewayListed":    {reason: "and those that are listed", claim: router.Claim{Gateway: "edge/public"}, enforced: true},
		"GatewayUnlisted":  {reason: "and no other", claim: router.Claim{Gateway: "edge/private"}, enforced: true, says: "sluice.dev/allowed-gateways"},
		"GatewayFree":      {reason: "unless nothing is enforced", claim: router.Claim{Gateway: "edge/private"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Hosts{Domain: "cluster.local", Enforced: tc.enforced, Cache: all, Now: time.Now, Watch: func(context.Context) error { return tc.watch }}
			tc.claim.Field = "spec.x"
			err := h.judge(t.Context(), "team-a", tc.claim)
			if tc.says == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.says, tc.reason)
			require.True(t, UserError(err), "it is told, not retried")
			if wrong := new(rollout.InvalidError); errors.As(err, &wrong) {
				require.Equal(t, "spec.x", wrong.Field)
			}
		})
	}
}
