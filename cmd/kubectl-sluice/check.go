package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/view"
)

type check struct {
	cluster
	look
	pre    bool
	format string
}

func newCheck() *cobra.Command {
	k := &check{}
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the cluster, the operator and your rights",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return k.run(c) },
	}
	c.Flags().BoolVar(&k.pre, "pre", false, "Check whether the operator can be installed")
	c.Flags().StringVarP(&k.format, "output", "o", "", "json instead of lines for people")
	k.look.addFlags(c)
	k.cluster.addFlags(c)
	return c
}

// result is what was found of one thing.
type result string

const (
	passed  result = "ok"
	warned  result = "warning"
	failing result = "error"
)

// checked is one thing that was looked at.
type checked struct {
	Group  string `json:"group"`
	What   string `json:"what"`
	Result result `json:"result"`
	Hint   string `json:"hint,omitempty"`
}

// checkup is what was found in a cluster.
type checkup struct {
	*connection
	served sets.Set[string] // group versions
	found  []checked
}

func (k *check) run(c *cobra.Command) error {
	if k.format != "" && k.format != "json" {
		return usageError{fmt.Errorf("-o %q is not json", k.format)}
	}
	style, err := k.style(c.OutOrStdout())
	if err != nil {
		return err
	}
	connection, err := k.connect()
	if err != nil {
		return err
	}
	u := &checkup{connection: connection}
	if err := u.server(); err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	if k.pre {
		u.mayInstall(c.Context())
	} else {
		u.definitions()
		u.operators(c.Context())
		u.policies(c.Context())
		u.rights(c.Context())
	}
	u.providers(c.Context(), !k.pre)
	if err := u.print(c.OutOrStdout(), k.format, style); err != nil {
		return err
	}
	if slices.ContainsFunc(u.found, func(c checked) bool { return c.Result == failing }) {
		return errFound
	}
	return nil
}

func (u *checkup) add(group, what string, r result, hint string) {
	if r == passed {
		hint = ""
	}
	u.found = append(u.found, checked{group, view.Clean(what, 200), r, view.Clean(hint, 400)})
}

// ok is a result by whether something is so.
func ok(is bool, otherwise result) result {
	if is {
		return passed
	}
	return otherwise
}

// The versions of Kubernetes that something takes.
const (
	leastKubernetes    = "1.26"
	policiesKubernetes = "1.36"
)

// server looks at the version of the API server and at what it serves.
func (u *checkup) server() error {
	d, err := discovery.NewDiscoveryClientForConfig(u.config)
	if err != nil {
		return err
	}
	info, err := d.ServerVersion()
	if err != nil {
		return err
	}
	now, err := utilversion.ParseGeneric(info.GitVersion)
	recent := err == nil && now.AtLeast(utilversion.MustParseGeneric(leastKubernetes))
	u.add("kubernetes", "Kubernetes "+info.GitVersion+" is "+leastKubernetes+" or newer", ok(recent, failing), "Upgrade the cluster.")
	served, err := u.servedVersions()
	u.served = sets.New(served...)
	return err
}

// servedVersions are the group versions that the API server has, sorted.
func (k *connection) servedVersions() ([]string, error) {
	d, err := discovery.NewDiscoveryClientForConfig(k.config)
	if err != nil {
		return nil, err
	}
	groups, err := d.ServerGroups()
	if err != nil {
		return nil, err
	}
	served := sets.New[string]()
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			served.Insert(v.GroupVersion)
		}
	}
	return sets.List(served), nil
}

// definitions looks for the custom resources.
func (u *checkup) definitions() {
	d, err := discovery.NewDiscoveryClientForConfig(u.config)
	if err != nil {
		return
	}
	served, err := d.ServerResourcesForGroupVersion(v1beta1.GroupVersion.String())
	kinds := map[string]bool{}
	if err == nil {
		for _, r := range served.APIResources {
			kinds[r.Kind] = true
		}
	}
	for _, kind := range []string{"Canary", "MetricTemplate", "AlertProvider"} {
		u.add("kinds", kind+" of "+v1beta1.GroupVersion.String()+" is served", ok(kinds[kind], failing), "kubectl apply -k kustomize/PROVIDER installs it.")
	}
}

// operators looks for the operator.
func (u *checkup) operators(ctx context.Context) {
	found := &appsv1.DeploymentList{}
	if err := u.List(ctx, found, operatorLabels, client.Limit(pageSize)); err != nil {
		u.add("operator", "Deployments of all namespaces can be listed", warned, "Whether the operator runs is not known: "+err.Error())
		return
	}
	if len(found.Items) == 0 {
		u.add("operator", "A Deployment has the label app.kubernetes.io/name=sluice", warned, "Without an operator nothing happens to Canaries. One that was installed in another way is not found.")
	}
	for _, d := range found.Items {
		u.add("operator", d.Namespace+"/"+d.Name+" is available", ok(d.Status.AvailableReplicas > 0, failing), "kubectl -n "+d.Namespace+" describe deployment "+d.Name+" says why not.")
	}
}

// policies looks for the policies that say who may act.
func (u *checkup) policies(ctx context.Context) {
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{}
	err := u.Get(ctx, client.ObjectKey{Name: "sluice-actions"}, binding)
	switch {
	case err == nil:
		u.add("policies", "Actions take rights of their own", passed, "")
	case apierrors.IsNotFound(err):
		u.add("policies", "Actions take rights of their own", warned, "Whoever may annotate a Canary may act, in any name. kubectl apply -k kustomize/policies, from Kubernetes "+policiesKubernetes+" on.")
	default:
		u.add("policies", "Policies can be read", warned, err.Error())
	}
}

// right is what somebody may have to be allowed.
type right struct{ verb, group, resource, subresource, why string }

// rights looks at what the user may do in the namespace.
func (u *checkup) rights(ctx context.Context) {
	needed := []right{
		{verb: "get", group: "flagger.app", resource: "canaries", why: "get, status"}, {verb: "list", group: "flagger.app", resource: "canaries", why: "list, -l"},
		{verb: "watch", group: "flagger.app", resource: "canaries", why: "-w"}, {verb: "patch", group: "flagger.app", resource: "canaries", why: "promote and the like"},
		{verb: "list", group: "apps", resource: "replicasets", why: "get"}, {verb: "list", resource: "pods", why: "get"}, {verb: "list", group: "batch", resource: "jobs", why: "get"},
		{verb: "list", resource: "events", why: "events"}, {verb: "get", resource: "pods", subresource: "log", why: "logs"}, {verb: "patch", group: "apps", resource: "deployments", why: "undo, set image"},
	}
	for _, verb := range v1beta1.ActionVerbs {
		needed = append(needed, right{verb: string(verb), group: "flagger.app", resource: "canaries", why: "with the policies for actions"})
	}
	u.review(ctx, "rights in "+u.namespace, u.namespace, warned, needed)
}

// mayInstall looks at what it takes to install the operator.
func (u *checkup) mayInstall(ctx context.Context) {
	u.review(ctx, "rights to install", "", failing, []right{
		{verb: "create", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", why: "its kinds"},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterroles", why: "its rights"}, {verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterrolebindings", why: "its rights"},
		{verb: "create", group: "apps", resource: "deployments", why: "itself"}, {verb: "create", resource: "serviceaccounts", why: "its account"}, {verb: "create", resource: "namespaces", why: "its namespace"},
	})
}

func (u *checkup) review(ctx context.Context, group, namespace string, otherwise result, needed []right) {
	for _, r := range needed {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
		}}}
		what := strings.TrimSuffix(r.resource+"/"+r.subresource, "/")
		if r.group != "" {
			what += "." + r.group
		}
		if err := u.Create(ctx, review); err != nil {
			u.add(group, r.verb+" "+what, warned, "This is not known: "+err.Error())
			continue
		}
		u.add(group, r.verb+" "+what, ok(review.Status.Allowed, otherwise), "You may not; it is for "+r.why+".")
	}
}

// providers looks for the APIs of the traffic providers that Canaries name, and says which one is chosen for the others.
func (u *checkup) providers(ctx context.Context, used bool) {
	served := sets.List(u.served)
	chosen, why := router.Detect(served)
	u.add("provider", "Canaries without a provider get "+chosen+", since "+why+", unless -mesh-provider says otherwise", passed, "")
	if !used {
		return
	}
	canaries, err := u.canaries(ctx, u.namespace, "")
	if err != nil {
		u.add("provider", "Canaries can be listed", warned, err.Error())
		return
	}
	seen := sets.New[string]()
	for _, c := range canaries.Items {
		if c.Spec.Provider == "" || seen.Has(c.Spec.Provider) {
			continue
		}
		seen.Insert(c.Spec.Provider)
		_, _, err := router.New(c.Spec.Provider, router.Options{APIVersions: served})
		hint := ""
		if err != nil {
			hint = err.Error()
		}
		u.add("provider", "the API of provider "+c.Spec.Provider+", of canary "+c.Name+", is served", ok(err == nil, failing), hint)
	}
}

func (u *checkup) print(out io.Writer, format string, style view.Style) error {
	if format == "json" {
		text, err := json.MarshalIndent(map[string]any{"checks": u.found, "time": time.Now().UTC().Format(time.RFC3339)}, "", "    ")
		if err != nil {
			return err
		}
		fmt.Fprintln(out, string(text))
		return nil
	}
	group := ""
	for _, c := range u.found {
		if c.Group != group {
			if group != "" {
				fmt.Fprintln(out)
			}
			group = c.Group
			fmt.Fprintln(out, group+"\n"+strings.Repeat("-", len(group)))
		}
		state := map[result]view.State{passed: view.Healthy, warned: view.Paused, failing: view.Degraded}[c.Result]
		fmt.Fprintln(out, style.Sign(state)+" "+c.What)
		if c.Hint != "" {
			fmt.Fprintln(out, "    "+string(c.Result)+": "+c.Hint)
		}
	}
	return nil
}
