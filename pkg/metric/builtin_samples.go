package metric

import "fmt"

// BuiltinSamples is the template, in PromQL, of what a built-in metric is computed from, so that two workloads can
// be compared. Of SuccessRate these are the numbers of requests over the interval, two elements with the labels
// count="success" and count="total"; of Duration they are the buckets of the histogram, with the label le in the
// unit that the source measures in.
func BuiltinSamples(provider, name string) (string, error) {
	// Its routes lead to both sides, and are what is counted.
	if family, _ := familyOf(provider); family == "apisix" {
		return "", fmt.Errorf("the series of provider %q do not tell the canary from the primary", provider)
	}
	switch name {
	case SuccessRate:
		return Builtin(provider, "request-success-count")
	case Duration:
		return Builtin(provider, "request-duration-buckets")
	}
	return "", fmt.Errorf("there is no built-in metric %q to compare", name)
}
