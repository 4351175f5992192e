// Package workload renders what a Canary needs beside its target: the primary, the three Services and
// the primary's autoscaler. It also reads off a workload how far it is from serving.
//
// Everything here is a plain function of objects that somebody else has read. What is rendered holds
// only the fields that Sluice means to own, as apply configurations: whatever else is on an object in
// the cluster belongs to others and stays.
package workload

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// RevisionAnnotation on a primary holds the revision that its pod template was rendered from.
const RevisionAnnotation = "sluice.dev/revision"

// OriginalSelectorAnnotation on an apex Service that is the user's own holds, as JSON, what it selected
// before it was taken over, so that it can be given back.
const OriginalSelectorAnnotation = "sluice.dev/original-selector"

// OriginalPortsAnnotation on an apex Service that is the user's own holds, as JSON, the ports that it had.
const OriginalPortsAnnotation = "sluice.dev/original-ports"

// ownerReference makes the Canary the controller of what it generates, so that both go together.
func ownerReference(c *v1beta1.Canary) *metav1ac.OwnerReferenceApplyConfiguration {
	r := c.OwnerReference()
	return metav1ac.OwnerReference().
		WithAPIVersion(r.APIVersion).
		WithKind(r.Kind).
		WithName(r.Name).
		WithUID(r.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

// withFluxDisabled keeps Flux from taking a generated object for one of its own that has drifted: the labels by
// which it knows its objects may well be copied along.
// https://fluxcd.io/flux/components/kustomize/kustomizations/
// https://fluxcd.io/flux/components/helm/helmreleases/
func withFluxDisabled(annotations map[string]string) map[string]string {
	return merge(annotations, map[string]string{
		"kustomize.toolkit.fluxcd.io/reconcile": "disabled",
		"helm.toolkit.fluxcd.io/driftDetection": "disabled",
	})
}

// merge returns the entries of all maps; a later map wins.
func merge(maps ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// labelsOf returns the labels to copy from a user's object: those with one of the prefixes, where `*`
// stands for all.
func labelsOf(o metav1.Object, prefixes []string) map[string]string {
	kept := map[string]string{}
	for k, v := range o.GetLabels() {
		if !notCopied(k) && hasPrefix(k, prefixes) {
			kept[k] = v
		}
	}
	return kept
}

// annotationsOf returns the annotations to copy from a user's object.
func annotationsOf(o metav1.Object) map[string]string {
	kept := map[string]string{}
	for k, v := range o.GetAnnotations() {
		if !notCopied(k) {
			kept[k] = v
		}
	}
	return kept
}

// notCopied tells the keys that say something about the one object they are on. On a copy they would
// claim that Flux or kubectl made it, or contend with the Deployment controller for its own count.
func notCopied(key string) bool {
	return strings.Contains(key, "toolkit.fluxcd.io") ||
		strings.HasPrefix(key, "sluice.dev/") ||
		strings.HasPrefix(key, "deployment.kubernetes.io/") ||
		key == "deprecated.daemonset.template.generation" || // counted by the API server
		key == "kubectl.kubernetes.io/last-applied-configuration"
}

// hasPrefix passes over an empty prefix, which is what a flag without a value splits into.
func hasPrefix(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if p == "*" || p != "" && strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}
