package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "flagger.app", Version: "v1beta1"}

// AddToScheme makes the kinds of this package known to a scheme. It never returns an error; the
// result exists so that it can stand in a list with other packages' functions of this name.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Canary{}, &CanaryList{},
		&MetricTemplate{}, &MetricTemplateList{},
		&AlertProvider{}, &AlertProviderList{},
		&CanaryRun{}, &CanaryRunList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
