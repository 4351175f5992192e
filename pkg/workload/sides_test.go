package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

type pairs = map[string]string

// primarySelecting is a primary that selects by some labels and whose template has others as well. All of its pods are of that.
func primarySelecting(selector, pods pairs) *appsv1.Deployment {
	d := deployment(selector)
	d.Name = "podinfo-primary"
	d.Spec.Template.Labels = pods
	d.Status = appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2}
	return d
}

func replacing(d *appsv1.Deployment) *appsv1.Deployment {
	d.Status.UpdatedReplicas = 1
	return d
}

// selectors are what the Services of the primary, of the target and the apex select, which leads to the primary.
func selectors(t *testing.T, w workload.Workloads) (primary, target pairs) {
	t.Helper()
	services, err := golden{}.kind().Services(canary(), w, rollout.PrimarySide, nil)
	require.NoError(t, err)
	var all []pairs
	for _, o := range objects(t, services) {
		found := pairs{}
		for k, v := range o.Object["spec"].(map[string]any)["selector"].(map[string]any) {
			found[k] = v.(string)
		}
		all = append(all, found)
	}
	require.Equal(t, all[0], all[2], "the apex leads to the primary as its own Service does")
	return all[0], all[1]
}

func TestServicesSelect(t *testing.T) {
	old := pairs{"app": "shop-primary"} // what a primary selected by that an earlier version has made
	web, webPrimary := pairs{"app": "shop", "component": "web"}, pairs{"app": "shop-primary", "component": "web"}
	cases := map[string]struct {
		reason          string
		of              workload.Workloads
		primary, target pairs
	}{
		"New": {
			reason:  "the whole selector, or pods of another component would be found",
			of:      workload.Workloads{Target: deployment(web)},
			primary: webPrimary, target: web,
		},
		"Made": {
			reason:  "the same once there is a primary",
			of:      workload.Workloads{Target: deployment(web), Primary: primarySelecting(webPrimary, webPrimary)},
			primary: webPrimary, target: web,
		},
		"Earlier": {
			reason:  "a primary of an earlier version selects by one label, and its pods have all",
			of:      workload.Workloads{Target: deployment(web), Primary: primarySelecting(old, webPrimary)},
			primary: webPrimary, target: web,
		},
		"EarlierReplacing": {
			reason:  "pods of a template before may lack a label",
			of:      workload.Workloads{Target: deployment(web), Primary: replacing(primarySelecting(old, webPrimary))},
			primary: old, target: web,
		},
		"EarlierWithout": {
			reason:  "a target that was made again with one more label: the primary gets that with its next promotion",
			of:      workload.Workloads{Target: deployment(web), Primary: primarySelecting(old, old)},
			primary: old, target: web,
		},
		"WholePromoting": {
			reason:  "what was selected by all labels stays so while pods with the same labels are replaced",
			of:      workload.Workloads{Target: deployment(web), Primary: replacing(primarySelecting(old, webPrimary)), PrimarySelected: webPrimary},
			primary: webPrimary, target: web,
		},
		"Returning": {
			reason: "the template that the primary is about to return to is from before it had the label",
			of: workload.Workloads{
				Target: deployment(web), Primary: primarySelecting(old, webPrimary), PrimarySelected: webPrimary,
				Previous: &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: old}},
			},
			primary: old, target: web,
		},
		"OtherValue": {
			reason:  "a target that was made again with another value leaves the primary's pods where they are",
			of:      workload.Workloads{Target: deployment(pairs{"app": "store"}), Primary: primarySelecting(old, old)},
			primary: old, target: pairs{"app": "store"},
		},
		"EarlierLabel": {
			reason:  "the primary says which label tells the sides apart, not the order of the flag",
			of:      workload.Workloads{Target: deployment(pairs{"app": "a", "name": "n"}), Primary: primarySelecting(pairs{"name": "n-primary"}, pairs{"app": "a", "name": "n-primary"})},
			primary: pairs{"app": "a", "name": "n-primary"}, target: pairs{"app": "a", "name": "n"},
		},
		"LabelOfNoFlag": {
			reason:  "a flag that was changed does not refuse a target that has its primary",
			of:      workload.Workloads{Target: deployment(pairs{"tier": "web"}), Primary: primarySelecting(pairs{"tier": "web-primary"}, pairs{"tier": "web-primary"})},
			primary: pairs{"tier": "web-primary"}, target: pairs{"tier": "web"},
		},
		"OtherKey": {
			reason:  "made again with another key only, the target's pods must not be the primary's: another label tells them",
			of:      workload.Workloads{Target: deployment(pairs{"name": "n"}), Primary: primarySelecting(old, pairs{"app": "shop-primary", "name": "n-primary"})},
			primary: pairs{"app": "shop-primary", "name": "n-primary"}, target: pairs{"name": "n"},
		},
		"SuffixOfTheirs": {
			reason:  "a label that ends so on both sides is none that differs",
			of:      workload.Workloads{Target: deployment(pairs{"app": "db-primary", "name": "n"}), Primary: primarySelecting(pairs{"app": "db-primary", "name": "n-primary"}, pairs{"app": "db-primary", "name": "n-primary"})},
			primary: pairs{"app": "db-primary", "name": "n-primary"}, target: pairs{"app": "db-primary", "name": "n"},
		},
		"TargetDeleted": {
			reason:  "what the Services select was told by the target",
			of:      workload.Workloads{Primary: replacing(primarySelecting(old, webPrimary)), PrimarySelected: webPrimary, TargetSelected: web},
			primary: webPrimary, target: web,
		},
		"TargetDeletedBefore": {
			reason:  "without Services the primary tells its part",
			of:      workload.Workloads{Primary: primarySelecting(webPrimary, webPrimary)},
			primary: webPrimary, target: web,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			primary, target := selectors(t, tc.of)
			require.Equal(t, tc.primary, primary, tc.reason)
			require.Equal(t, tc.target, target, tc.reason)
			if tc.of.Primary != nil {
				pods := set(workload.SummaryOf(tc.of.Primary).Template.Labels)
				require.True(t, set(primary).AsSelector().Matches(pods), "it selects the primary's pods")
				require.False(t, set(target).AsSelector().Matches(pods), "the target's Service does not")
			}
		})
	}
}

// A primary that is there keeps its selector, which the API server does not let anybody change, and its pods have its labels.
func TestPrimaryKeepsItsSelector(t *testing.T) {
	target := deployment(pairs{"app": "store", "component": "web"})
	target.Spec.Template.Labels = pairs{"app": "store", "component": "web", "version": "2"}
	old := pairs{"app": "shop-primary"}
	applied, err := golden{}.kind().Primary(target, canary(), workload.PrimaryOptions{Revision: "r1-1", Live: primarySelecting(old, old)})
	require.NoError(t, err)
	text := document(t, []runtime.ApplyConfiguration{applied})
	require.Contains(t, text, "selector:\n    matchLabels:\n      app: shop-primary\n  template:")
	require.Contains(t, text, "labels:\n        app: shop-primary\n        component: web\n        version: \"2\"\n")
}

func TestSidesIndistinguishable(t *testing.T) {
	_, err := golden{}.rules().Sides(workload.Workloads{Target: deployment(pairs{"app": "shop-primary"}), Primary: primarySelecting(pairs{"app": "shop-primary"}, nil)})
	require.ErrorAs(t, err, new(*rollout.InvalidError))
	require.EqualError(t, err, "spec.targetRef: deployment podinfo.test spec.selector.matchLabels must contain one of "+
		"[app name app.kubernetes.io/name] that podinfo-primary selects by another value")
}
