package router

import (
	"fmt"
	"strings"

	analysis "istio.io/api/analysis/v1alpha1"
	meta "istio.io/api/meta/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Accepted passes on what istiod writes into the status of its resources, where that is turned on: what
// its analysers call an error, and whether every proxy has the newest version. Without a status nothing
// is known and nothing is held back.
//
// https://istio.io/latest/docs/reference/config/config-status/
func (istio) Accepted(live []*unstructured.Unstructured) (ok bool, reason string) {
	for _, u := range live {
		if why := refusal(u); why != "" {
			return false, fmt.Sprintf("%s %s.%s: %s", u.GetKind(), u.GetName(), u.GetNamespace(), why)
		}
	}
	return true, ""
}

// refusal says what keeps an object from being in effect; empty: nothing that is known of.
func refusal(u *unstructured.Unstructured) string {
	if given, _ := u.Object["status"].(map[string]any); len(given) == 0 {
		return "" // as nearly always, in every look
	}
	status := statusOf(u)
	// What was wrong before says nothing about this version, and istiod will speak again; -settle counts meanwhile.
	if n := status.ObservedGeneration; n != 0 && n < u.GetGeneration() {
		return ""
	}
	for _, m := range status.ValidationMessages {
		// A warning is advice: the route works all the same. Istio documents its errors by their codes:
		// https://istio.io/latest/docs/reference/config/analysis/
		if m.Level == analysis.AnalysisMessageBase_ERROR {
			return fmt.Sprintf("refused by Istio's validation: %s (%s)", m.GetType().GetName(), m.GetType().GetCode())
		}
	}
	for _, c := range status.Conditions {
		if c.Type == "Reconciled" && c.Status == "False" {
			return "not every proxy has taken it yet" // its message counts proxies
		}
	}
	return ""
}

// statusOf is empty where the status cannot be read: nothing is held back then.
func statusOf(u *unstructured.Unstructured) *meta.IstioStatus {
	given, _, _ := unstructured.NestedMap(u.Object, "status") // a copy
	messages, _ := given["validationMessages"].([]any)
	for _, m := range messages {
		message, _ := m.(map[string]any)
		// ERROR is the word of the enumeration; Istio's own examples write it `Error` as well.
		if level, ok := message["level"].(string); ok {
			message["level"] = strings.ToUpper(level)
		}
	}
	status := &meta.IstioStatus{}
	if err := decode(given, status); err != nil {
		return &meta.IstioStatus{}
	}
	return status
}
