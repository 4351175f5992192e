package workload_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/workload"
)

const (
	one = `{metadata: {labels: {app: podinfo-primary}}, spec: {containers: [{name: podinfod, image: "podinfo:1"}]}}`
	two = `{metadata: {labels: {app: podinfo-primary}}, spec: {containers: [{name: podinfod, image: "podinfo:2"}]}}`

	blue  = `{metadata: {labels: {app: podinfo-primary}, annotations: {sluice.dev/configs: "1"}}, spec: {containers: [{name: podinfod, image: "podinfo:1"}]}}`
	green = `{metadata: {labels: {app: podinfo-primary}, annotations: {sluice.dev/configs: "2"}}, spec: {containers: [{name: podinfod, image: "podinfo:1"}]}}`
)

// past is one entry of a history.
type past struct {
	revision, template string
	foreign            bool // it belongs to another workload
}

// primaryWith is a primary of a kind with a template.
func primaryWith(t *testing.T, k workload.Kind, text string) workload.Object {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: "test", Name: "podinfo-primary", UID: "p"}
	if _, ok := k.(workload.DaemonSet); ok {
		return &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Template: template(t, text)}}
	}
	return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Template: template(t, text)}}
}

// record is a history as the controllers of Kubernetes write it.
func record(t *testing.T, k workload.Kind, entries []past) workload.List {
	t.Helper()
	sets, revisions := &appsv1.ReplicaSetList{}, &appsv1.ControllerRevisionList{}
	for _, e := range entries {
		owner := primaryWith(t, k, one)
		if e.foreign {
			owner.SetUID("other")
		}
		meta := metav1.ObjectMeta{
			Annotations:     map[string]string{workload.RevisionAnnotation: e.revision},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		}
		set := appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Template: template(t, e.template)}}
		set.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = "6f5c9d"
		sets.Items = append(sets.Items, set)
		raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": template(t, e.template)}})
		require.NoError(t, err)
		revisions.Items = append(revisions.Items, appsv1.ControllerRevision{ObjectMeta: meta, Data: runtime.RawExtension{Raw: raw}})
	}
	if _, ok := k.(workload.DaemonSet); ok {
		return revisions
	}
	return sets
}

func TestFormer(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		history []past
		now     string
		want    string
		unkept  string
	}{
		"Kept": {
			reason:  "it is the template as it was, without what tells its ReplicaSet from others",
			history: []past{{revision: "r1-v2", template: two}, {revision: "r1-v1", template: one}}, now: two, want: one,
		},
		"Present": {reason: "what the primary has is part of its history", history: []past{{revision: "r1-v1", template: one}}, now: one, want: one},
		"Twice":   {reason: "the same twice is the same", history: []past{{revision: "r1-v1", template: one}, {revision: "r1-v1", template: one}}, now: two, want: one},
		"Gone": {
			reason: "no more than the limit is kept", history: []past{{revision: "r1-v2", template: two}}, now: two,
			unkept: "its history does not hold that revision (spec.revisionHistoryLimit)",
		},
		"Foreign": {
			reason: "what another workload had is not its own", history: []past{{revision: "r1-v1", template: one, foreign: true}}, now: two,
			unkept: "its history does not hold that revision (spec.revisionHistoryLimit)",
		},
		"Edited": {
			reason:  "of two templates nobody knows which passed",
			history: []past{{revision: "r1-v1", template: one}, {revision: "r1-v1", template: blue}}, now: two,
			unkept: "its history has two pod templates of that revision, since somebody else has changed it",
		},
		"SameConfigs": {reason: "copies of configs that nobody has changed are what it ran with", history: []past{{revision: "r1-v1", template: blue}}, now: blue, want: blue},
		"OtherConfigs": {
			reason: "those of the new revision are not", history: []past{{revision: "r1-v1", template: blue}}, now: green,
			unkept: "the copies of its ConfigMaps and Secrets have another content by now",
		},
		"NoConfigs": {
			reason: "nor are those that it did not have", history: []past{{revision: "r1-v1", template: one}}, now: green,
			unkept: "the copies of its ConfigMaps and Secrets have another content by now",
		},
	} {
		for kind, k := range map[string]workload.Kind{"Deployment": workload.Deployment{}, "DaemonSet": workload.DaemonSet{}} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				got, unkept, err := workload.PreviousTemplate(k, primaryWith(t, k, tc.now), record(t, k, tc.history), "r1-v1")
				require.NoError(t, err)
				require.Equal(t, tc.unkept, unkept, tc.reason)
				if tc.want == "" {
					require.Nil(t, got, tc.reason)
					return
				}
				require.Equal(t, template(t, tc.want), *got, tc.reason)
			})
		}
	}
}

func TestFormerOfWhatIsNone(t *testing.T) {
	primary := primaryWith(t, workload.Deployment{}, one)
	_, _, err := workload.PreviousTemplate(workload.Deployment{}, primary, &appsv1.ControllerRevisionList{}, "r1-v1")
	require.ErrorContains(t, err, `history of deployment "podinfo-primary"`)
	_, _, err = workload.PreviousTemplate(workload.DaemonSet{}, primary, &appsv1.ReplicaSetList{}, "r1-v1")
	require.ErrorContains(t, err, `history of daemonset "podinfo-primary"`)

	odd := record(t, workload.DaemonSet{}, []past{{revision: "r1-v1", template: one}})
	odd.(*appsv1.ControllerRevisionList).Items[0].Data.Raw = []byte("{")
	_, _, err = workload.PreviousTemplate(workload.DaemonSet{}, primaryWith(t, workload.DaemonSet{}, one), odd, "r1-v1")
	require.ErrorContains(t, err, "decode controllerrevision")

	_, unkept, err := workload.PreviousTemplate(workload.Knative{}, knativeService(t, `{}`), nil, "r1-v1")
	require.NoError(t, err)
	require.Contains(t, unkept, "keeps none of its templates")
}

// TestPrimaryOfFormer renders a primary, then another over it, and then the first from the history of both: what is
// applied is the same, whatever the target has become.
func TestPrimaryOfFormer(t *testing.T) {
	rules := workload.LabelRules{SelectorLabels: []string{"app"}}
	for name, k := range map[string]workload.Kind{"Deployment": workload.Deployment{LabelRules: rules}, "DaemonSet": workload.DaemonSet{LabelRules: rules}} {
		t.Run(name, func(t *testing.T) {
			target := func(image string) workload.Object {
				pods := template(t, `{metadata: {labels: {app: podinfo}}, spec: {containers: [{name: podinfod, image: "`+image+`", envFrom: [{configMapRef: {name: settings}}]}],
					affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: node, labelSelector: {matchLabels: {app: podinfo}}}]}}}}`)
				by := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "podinfo"}}
				meta := metav1.ObjectMeta{Namespace: "test", Name: "podinfo"}
				if name == "DaemonSet" {
					return &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: by, Template: pods}}
				}
				return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: by, Template: pods}}
			}
			size := int32(2)
			model := workload.PrimaryOptions{Revision: "r1-v1", Replicas: &size, Configs: workload.Configs{
				Sums: map[string]string{"configmap/settings": "1"}, Copies: map[string]string{"configmap/settings": "settings-primary"},
			}}
			first, err := k.Primary(target("podinfo:1"), canary(), model)
			require.NoError(t, err)

			former := podsOf(t, first)
			require.Equal(t, "settings-primary", former.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)
			back, err := k.Primary(target("podinfo:2"), canary(), workload.PrimaryOptions{Revision: "r1-v1", Replicas: &size, PreviousTemplate: &former})
			require.NoError(t, err)
			require.Equal(t, text(t, first), text(t, back))
		})
	}
}

func text(t *testing.T, o runtime.ApplyConfiguration) string {
	t.Helper()
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	return string(raw)
}

func podsOf(t *testing.T, o runtime.ApplyConfiguration) corev1.PodTemplateSpec {
	t.Helper()
	var made struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, o)), &made))
	return made.Spec.Template
}
