package router

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// Accepted waits for every parent of every route to say that it takes the route as it is now, and has found the
// Services that it names.
//
// https://gateway-api.sigs.k8s.io/reference/spec/ has them under RouteParentStatus.
func (gatewayAPI) Accepted(live []*unstructured.Unstructured) (ok bool, reason string) {
	for _, u := range live {
		if why := unaccepted(u); why != "" {
			return false, fmt.Sprintf("%s %s.%s: %s", u.GetKind(), u.GetName(), u.GetNamespace(), why)
		}
	}
	return true, ""
}

// routeStatus is what both kinds of route have.
type routeStatus struct {
	Spec   gateway.CommonRouteSpec `json:"spec"`
	Status gateway.RouteStatus     `json:"status"`
}

// unaccepted goes by the parents of the spec, in their order. What the status says of others is left over from before.
func unaccepted(u *unstructured.Unstructured) string {
	raw, err := json.Marshal(map[string]any{"spec": u.Object["spec"], "status": u.Object["status"]})
	if err != nil {
		return err.Error()
	}
	var route routeStatus
	if err := json.Unmarshal(raw, &route); err != nil {
		return fmt.Sprintf("its status cannot be read: %v", err)
	}
	// Every parent: a gateway for the outside and a mesh for the inside take a route at different times, and until both
	// have it some users are still where they were.
	for _, parent := range route.Spec.ParentRefs {
		said := slices.DeleteFunc(slices.Clone(route.Status.Parents), func(s gateway.RouteParentStatus) bool {
			return key(s.ParentRef, u) != key(parent, u)
		})
		// A parent that has not answered is not one that has nothing against the route.
		why := ""
		if len(said) == 0 {
			why = "has not answered yet"
		}
		for _, s := range said { // more than one controller may speak for a parent
			if why == "" {
				why = objection(s.Conditions, u.GetGeneration())
			}
		}
		if why != "" {
			return fmt.Sprintf("parent %q %s", parent.Name, why)
		}
	}
	return ""
}

// key is a parent with what is left out of it filled in.
// A status repeats a parent as its controller likes to write it, with defaults or without.
func key(p gateway.ParentReference, u *unstructured.Unstructured) [6]string {
	return [6]string{
		string(ptr.Deref(p.Group, gateway.GroupName)), string(ptr.Deref(p.Kind, "Gateway")),
		string(ptr.Deref(p.Namespace, gateway.Namespace(u.GetNamespace()))), string(p.Name),
		string(ptr.Deref(p.SectionName, "")), fmt.Sprint(ptr.Deref(p.Port, 0)),
	}
}

// objection is what a parent has against a route; empty: nothing.
func objection(conditions []metav1.Condition, generation int64) string {
	// A condition about an older version is worth nothing, whichever way it goes. One that does not say which it is about,
	// as those of Linkerd's controller, is taken at its word; -settle counts in any case.
	older := func(c *metav1.Condition) bool { return c.ObservedGeneration != 0 && c.ObservedGeneration < generation }
	for _, needed := range []string{string(gateway.RouteConditionAccepted), string(gateway.RouteConditionResolvedRefs)} {
		c := meta.FindStatusCondition(conditions, needed)
		switch {
		case c == nil:
			return fmt.Sprintf("has not said %s yet", needed)
		case older(c):
			return "has not looked at the newest version yet"
		case c.Status != metav1.ConditionTrue:
			return fmt.Sprintf("says %s is %s: %s: %s", needed, c.Status, c.Reason, c.Message)
		}
	}
	// A controller may accept a route and drop rules of it. Which ones is not said, so none counts.
	partly := meta.FindStatusCondition(conditions, string(gateway.RouteConditionPartiallyInvalid))
	if partly != nil && partly.Status == metav1.ConditionTrue && !older(partly) {
		return fmt.Sprintf("takes a part of it only: %s: %s", partly.Reason, partly.Message)
	}
	return ""
}
