package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// keptnGroup is asked for its version at each query: clusters have different ones, and are upgraded.
const keptnGroup = "/apis/metrics.keptn.sh"

// keptn reads what an operator in the cluster has measured, or has it run an analysis.
type keptn struct{ config }

func newKeptn(c config) (Provider, error) {
	// Without a round all Analyses of a query would have one name, of all Canaries.
	if c.Job.Round == "" {
		return nil, errors.New("an Analysis belongs to a round")
	}
	return &keptn{config: c}, nil
}

// Query takes one of two forms. `keptnmetric/namespace/name` is the value of a KeptnMetric.
// `analysis/namespace/definition/duration/key=value;key=value` runs an Analysis over the time up to now, and is
// 1 if that passed, or 0.
//
// Source: https://keptn.sh/stable/docs/reference/crd-reference/
func (k *keptn) Query(ctx context.Context, query string) (float64, error) {
	// At most five, since values of the arguments may hold slashes.
	parts := strings.SplitN(strings.TrimSpace(query), "/", 5)
	// An empty part would make a path to a list of all objects, of all namespaces even, and `..` or a `?` one that
	// leads out of this API.
	for i, part := range parts[:min(len(parts), 4)] {
		if part == "" || (i == 1 || i == 2) && len(validation.IsDNS1123Subdomain(part)) > 0 {
			return 0, keptnForm(query)
		}
	}
	if len(parts) > 1 {
		if err := k.mayRead(parts[1]); err != nil {
			return 0, err
		}
	}
	switch {
	case parts[0] == "keptnmetric" && len(parts) == 3:
		return k.metric(ctx, parts[1], parts[2])
	case parts[0] == "analysis" && len(parts) >= 4:
		return k.analysis(ctx, append(parts, "")[1:5])
	}
	return 0, keptnForm(query)
}

func keptnForm(query string) error {
	return fmt.Errorf("the query %s is neither keptnmetric/namespace/name nor analysis/namespace/definition/duration/key=value", written(query))
}

// at is where objects of a kind are, in the version that the cluster prefers.
func (k *keptn) at(ctx context.Context, namespace, kind string) (path, version string, err error) {
	var group struct {
		PreferredVersion struct{ GroupVersion string }
	}
	err = read(ctx, k.Cluster, keptnGroup, &group)
	// Keptn is not installed. A 404 of the object below would read as if its name was wrong.
	if apierrors.IsNotFound(err) {
		return "", "", errors.New("the cluster has no metrics.keptn.sh")
	}
	version = group.PreferredVersion.GroupVersion
	return "/apis/" + version + "/namespaces/" + namespace + "/" + kind, version, err
}

func (k *keptn) metric(ctx context.Context, namespace, name string) (float64, error) {
	path, _, err := k.at(ctx, namespace, "keptnmetrics")
	if err != nil {
		return 0, err
	}
	var found struct{ Status struct{ Value string } }
	if err := read(ctx, k.Cluster, path+"/"+name, &found); err != nil {
		return 0, err
	}
	// Made but not measured yet.
	if found.Status.Value == "" {
		return 0, ErrNoData
	}
	value, err := strconv.ParseFloat(found.Status.Value, 64)
	if err != nil {
		return 0, fmt.Errorf("the value of %s/%s is %s, not a number", namespace, name, shown(found.Status.Value))
	}
	return value, nil
}

// keptnAnalysis is what is written and read of an Analysis. The vendor's module would bring its operator along.
type keptnAnalysis struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string                  `json:"name"`
		Namespace string                  `json:"namespace"`
		Labels    map[string]string       `json:"labels,omitempty"`
		Owners    []metav1.OwnerReference `json:"ownerReferences,omitempty"`
	} `json:"metadata"`
	Spec struct {
		Timeframe  map[string]string `json:"timeframe"`
		Args       map[string]string `json:"args,omitempty"`
		Definition map[string]string `json:"analysisDefinition"`
	} `json:"spec"`
	Status struct {
		State string `json:"state"`
		Pass  bool   `json:"pass"`
	} `json:"status,omitzero"`
}

// analysis has a name that follows from the round, so that one that was broken off finds its own again.
func (k *keptn) analysis(ctx context.Context, p []string) (float64, error) {
	namespace, definition, over := p[0], p[1], p[2]
	args, err := keptnArgs(p[3])
	if err != nil {
		return 0, err
	}
	path, version, err := k.at(ctx, namespace, "analyses")
	if err != nil {
		return 0, err
	}
	a := keptnAnalysis{APIVersion: version, Kind: "Analysis"}
	a.Metadata.Name, a.Metadata.Namespace, a.Metadata.Labels = k.Job.name(definition, strings.Join(p, "/")), namespace, k.Job.Labels
	// An owner in another namespace does not count: the cluster would clear the Analysis away at once.
	if k.Job.Owner != nil && namespace == k.Namespace {
		a.Metadata.Owners = []metav1.OwnerReference{*k.Job.Owner}
	}
	a.Spec.Timeframe = map[string]string{"recent": over}
	// A definition is expected beside its analyses; the query has no place for another namespace.
	a.Spec.Definition = map[string]string{"name": definition, "namespace": namespace}
	a.Spec.Args = args
	body, err := json.Marshal(a)
	if err != nil {
		return 0, err
	}
	if _, err := k.Cluster.Do(ctx, http.MethodPost, path, body); err != nil && !apierrors.IsAlreadyExists(err) {
		return 0, err
	}
	at := path + "/" + a.Metadata.Name
	err = k.poll(ctx, func() (bool, error) {
		err := read(ctx, k.Cluster, at, &a)
		// The state of an Analysis that has its result, whether it passed or not.
		return a.Status.State == "Completed", err
	})
	if err != nil {
		return 0, err
	}
	// What it said is what counts from here on; one for each round would pile up.
	if _, err := k.Cluster.Do(ctx, http.MethodDelete, at, nil); err != nil && !apierrors.IsNotFound(err) {
		return 0, err
	}
	if a.Status.Pass {
		return 1, nil
	}
	return 0, nil
}

// keptnArgs reads `key=value;key=value`. A semicolon at the end is fine.
func keptnArgs(text string) (map[string]string, error) {
	args := map[string]string{}
	for _, pair := range strings.Split(text, ";") {
		if pair == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("the argument %s is not of the form key=value", written(pair))
		}
		args[key] = value
	}
	return args, nil
}
