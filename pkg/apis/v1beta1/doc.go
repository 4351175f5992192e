// Package v1beta1 is the interface that users write against: the kinds of flagger.app/v1beta1.
//
// A Canary stands beside a workload that exists already and says how a change of it reaches users.
// A MetricTemplate is a query that a Canary judges its new revision by, an AlertProvider a chat
// channel that hears of it. The types hold what was written and nothing else: what leaving a field
// out means is written beside the field, and applied where the field is read, so that an object is
// never changed behind its owner's back.
//
// The names, the enumerations and the texts of this version are fixed, because manifests, dashboards
// and scripts depend on them. Fields may be added to it as long as all of them are optional.
//
// +kubebuilder:object:generate=true
// +groupName=flagger.app
package v1beta1
