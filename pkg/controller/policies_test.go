package controller

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

const policies = "../../kustomize/policies"

// install applies the admission policies that are shipped.
func (w *world) install() {
	w.Helper()
	for _, file := range []string{"author.yaml", "actions.yaml"} {
		text, err := os.ReadFile(filepath.Join(policies, file))
		require.NoError(w, err)
		for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
			u := &unstructured.Unstructured{}
			if d.Decode(&u.Object) != nil {
				break
			}
			require.NoError(w, w.Create(w.Context(), u))
		}
	}
}

// as is a client of somebody who has verbs on Canaries.
func (w *world) as(name string, verbs ...string) client.Client {
	w.Helper()
	meta := metav1.ObjectMeta{Namespace: w.ns, Name: name}
	require.NoError(w, w.Create(w.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries"}, Verbs: verbs}}}))
	w.bind(name)
	cfg := rest.CopyConfig(kubetest.Config(w))
	cfg.Impersonate = rest.ImpersonationConfig{UserName: name}
	c, err := client.New(cfg, client.Options{Scheme: w.Scheme()})
	require.NoError(w, err)
	return c
}

// TestPolicies has people with some rights only ask for actions.
func TestPolicies(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs())
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary()))
	w.install()
	promoter := w.as("anna", "get", "patch", "promote")
	owner := w.as("olga", "get", "patch", "update", "promote", "promote-full", "override", "skip-step", "abort", "rollback")
	change := func(c client.Client, f func(*v1beta1.Canary)) error {
		now := &v1beta1.Canary{}
		require.NoError(t, c.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, now))
		before := now.DeepCopy()
		f(now)
		return c.Patch(t.Context(), now, client.MergeFrom(before))
	}
	n := 0
	ask := func(text string) func(*v1beta1.Canary) {
		n++
		return func(c *v1beta1.Canary) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1beta1.ActionAnnotation, strings.Replace(text, "ID", fmt.Sprint(n), 1))
		}
	}
	// Each policy takes a moment of its own to be in effect, and the one that changes objects another to know their kind.
	w.await("what is not allowed is denied", func() bool {
		err := change(promoter, ask("abort id=ID revision=a"))
		return err != nil && strings.Contains(err.Error(), "may not abort")
	})
	w.await("who asked is filled in", func() bool {
		return change(promoter, ask("promote id=ID revision=a")) == nil && w.named("podinfo").Annotations[v1beta1.ActionByAnnotation] == "anna"
	})
	for _, tc := range []struct {
		reason string
		who    client.Client
		change func(*v1beta1.Canary)
		denied string // by what; empty: it is not
	}{
		{"her verb", promoter, ask("promote id=ID revision=a reason=looks good"), ""},
		{"another verb", promoter, ask("abort id=ID revision=a"), "anna may not abort canary " + w.ns + "/podinfo: this takes the verb abort on canaries.flagger.app"},
		{"what serves", promoter, ask("rollback id=ID revision=a"), "anna may not rollback canary"},
		{"what serves, with the right", owner, ask("rollback id=ID revision=a run=3"), ""},
		{"another right", promoter, ask("promote id=ID revision=a skip-step=true"), "skip-step takes the verb skip-step"},
		{"a reason is no parameter", promoter, ask("promote id=ID revision=a reason=skip-step=true"), ""},
		{"the form", promoter, ask("promote\tid=ID"), "is not of the form"},
		{"the spec", promoter, func(c *v1beta1.Canary) { c.Spec.SkipAnalysis = true }, "a change of spec takes the verb update"},
		{"a label", promoter, func(c *v1beta1.Canary) { c.Labels = map[string]string{"a": "b"} }, "a change of metadata takes the verb update"},
		{"another note", promoter, func(c *v1beta1.Canary) { metav1.SetMetaDataAnnotation(&c.ObjectMeta, "a", "b") }, "a change of metadata takes the verb update"},
		{"a finalizer", promoter, func(c *v1beta1.Canary) { c.Finalizers = append(c.Finalizers, "a/b") }, "a change of metadata takes the verb update"},
		{"who asked, changed alone", promoter, func(c *v1beta1.Canary) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1beta1.ActionByAnnotation, "olga")
		}, "sluice.dev/action-by is not who asks"},
		{"all of it", owner, ask("promote-full id=ID revision=a override-gates=true"), ""},
		{"her spec", owner, func(c *v1beta1.Canary) { c.Spec.Analysis.Threshold++ }, ""},
	} {
		err := change(tc.who, tc.change)
		if tc.denied == "" {
			require.NoError(t, err, tc.reason)
			continue
		}
		require.ErrorContains(t, err, tc.denied, tc.reason)
	}
	forged := ask("promote id=ID revision=a")
	require.NoError(t, change(promoter, func(c *v1beta1.Canary) {
		forged(c)
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1beta1.ActionByAnnotation, "olga")
	}))
	require.Equal(t, "anna", w.named("podinfo").Annotations[v1beta1.ActionByAnnotation], "a forged author is overwritten")
}

// TestPoliciesKnowTheForm holds the policy to the operator's own idea of an action.
func TestPoliciesKnowTheForm(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(policies, "actions.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "matches(r'"+rollout.ActionPattern+"')")
}
