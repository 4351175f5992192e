package router

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// https://projectcontour.io/docs/1.27/config/request-routing/ says what a proxy's routes are,
// https://projectcontour.io/docs/1.27/config/inclusion-delegation/ how one is included.

// Accepted passes on what Contour says of the proxy: one that is invalid is not served at all. Contour calls a proxy
// orphaned that no virtual host includes; it gets no requests then, and nothing is held back because of it.
func (contour) Accepted(live []*unstructured.Unstructured) (ok bool, reason string) {
	for _, u := range live {
		conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, c := range conditions {
			m, _ := c.(map[string]any)
			observed, dated, _ := unstructured.NestedInt64(m, "observedGeneration")
			// A verdict on an older version is none on this one. Neither is no verdict: Contour may not have looked
			// yet, and -settle counts in any case.
			if m["type"] != "Valid" || m["status"] != "False" || dated && observed < u.GetGeneration() {
				continue
			}
			if why := faults(m); why != "" {
				return false, fmt.Sprintf("HTTPProxy %s.%s: %s", u.GetName(), u.GetNamespace(), why)
			}
		}
	}
	return true, ""
}

// faults are the reason and the message of the first error but that of an orphan.
func faults(condition map[string]any) string {
	// A proxy can be an orphan and wrong in itself, so every entry is looked at.
	errors, _, _ := unstructured.NestedSlice(condition, "errors")
	for _, e := range errors {
		if m, _ := e.(map[string]any); m["type"] != "Orphaned" {
			return fmt.Sprintf("refused by Contour: %s: %s", m["reason"], m["message"])
		}
	}
	return ""
}
