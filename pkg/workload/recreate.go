package workload

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// StopsOnUpdate says why a workload of so many pods has none while it is given another template; empty: some of them serve
// at any moment.
func StopsOnUpdate(o Object, pods int32) string {
	switch o := o.(type) {
	case *appsv1.Deployment:
		if o.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			return "strategy Recreate"
		}
		if u := o.Spec.Strategy.RollingUpdate; u != nil && takesAll(u.MaxUnavailable, pods, false) {
			return "maxUnavailable " + u.MaxUnavailable.String()
		}
	case *appsv1.DaemonSet:
		if u := o.Spec.UpdateStrategy.RollingUpdate; u != nil && takesAll(u.MaxUnavailable, pods, true) {
			return "maxUnavailable " + u.MaxUnavailable.String()
		}
	}
	return ""
}

// takesAll says that all pods may be missing at once. The controllers of the two kinds round a percentage differently.
func takesAll(unavailable *intstr.IntOrString, pods int32, roundUp bool) bool {
	if unavailable == nil {
		return false
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(unavailable, int(pods), roundUp)
	return err == nil && n > 0 && n >= int(pods)
}
