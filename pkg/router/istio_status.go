package router

import (
	"fmt"
	"strconv"
	"strings"

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
	// What was wrong before says nothing about this version, and istiod will speak again; -settle counts meanwhile.
	if outdated(u) {
		return ""
	}
	messages, _, _ := unstructured.NestedSlice(u.Object, "status", "validationMessages")
	for _, m := range messages {
		if text := complaint(m); text != "" {
			return text
		}
	}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, _ := c.(map[string]any); m["type"] == "Reconciled" && m["status"] == "False" {
			return "not every proxy has taken it yet" // its message counts proxies
		}
	}
	return ""
}

// complaint names an error of Istio's analysers by its code, under which Istio documents it.
// https://istio.io/latest/docs/reference/config/analysis/
func complaint(message any) string {
	m, _ := message.(map[string]any)
	// A warning is advice: the route works all the same. 3 is ERROR in the enumeration of Istio's own type.
	// Istio's own examples write it `Error` as well.
	if level, _ := m["level"].(string); !strings.EqualFold(level, "ERROR") && m["level"] != int64(3) {
		return ""
	}
	name, _, _ := unstructured.NestedString(m, "type", "name")
	code, _, _ := unstructured.NestedString(m, "type", "code")
	return fmt.Sprintf("refused by Istio's validation: %s (%s)", name, code)
}

// outdated says that a status speaks of an older version. Proto JSON writes 64 bits as text, other
// writers as a number.
func outdated(u *unstructured.Unstructured) bool {
	observed, found, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "observedGeneration")
	if !found {
		return false
	}
	n, err := strconv.ParseInt(fmt.Sprint(observed), 10, 64)
	return err == nil && n < u.GetGeneration()
}
