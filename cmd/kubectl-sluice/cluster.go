package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// fieldManager is who writes what this program writes. Flux drops the fields of managers whose name begins with kubectl.
const fieldManager = "sluice-cli"

// knative is the kind of targets that bring their own routes.
var knative = schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"}

// cluster are the flags by which kubectl finds a cluster, and what they lead to.
type cluster struct {
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
}

func (k *cluster) addFlags(c *cobra.Command) {
	k.rules = clientcmd.NewDefaultClientConfigLoadingRules()
	c.Flags().StringVar(&k.rules.ExplicitPath, "kubeconfig", "", "Path of the kubeconfig file")
	clientcmd.BindOverrideFlags(&k.overrides, c.Flags(), clientcmd.RecommendedConfigOverrideFlags(""))
}

// connection is a way to a cluster.
type connection struct {
	client.WithWatch
	config    *rest.Config
	namespace string
}

// connect makes a client without asking the server what it has: all kinds that are read are known.
func (k *cluster) connect() (*connection, error) {
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(k.rules, &k.overrides)
	restConfig, err := config.ClientConfig()
	if err != nil {
		return nil, usageError{err}
	}
	namespace, _, err := config.Namespace()
	if err != nil {
		return nil, usageError{err}
	}
	restConfig.QPS, restConfig.WarningHandler = -1, rest.NoWarnings{}
	restConfig.UserAgent = "kubectl-sluice/" + version
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1beta1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(restConfig, client.Options{Scheme: scheme, Mapper: kinds()})
	if err != nil {
		return nil, err
	}
	return &connection{WithWatch: c, config: restConfig, namespace: namespace}, nil
}

// kinds are those that are read or written.
func kinds() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for gv, kinds := range map[schema.GroupVersion][]string{
		v1beta1.GroupVersion:       {"Canary", "CanaryRun"},
		appsv1.SchemeGroupVersion:  {"Deployment", "DaemonSet", "ReplicaSet", "ControllerRevision"},
		batchv1.SchemeGroupVersion: {"Job"},
		corev1.SchemeGroupVersion:  {"Pod", "Event"},
		knative.GroupVersion():     {knative.Kind, "Revision"},
	} {
		for _, kind := range kinds {
			m.Add(gv.WithKind(kind), meta.RESTScopeNamespace)
		}
	}
	for gv, kinds := range map[schema.GroupVersion][]string{
		authenticationv1.SchemeGroupVersion: {"SelfSubjectReview"},
		authorizationv1.SchemeGroupVersion:  {"SelfSubjectAccessReview"},
		admissionv1.SchemeGroupVersion:      {"ValidatingAdmissionPolicyBinding"},
	} {
		for _, kind := range kinds {
			m.Add(gv.WithKind(kind), meta.RESTScopeRoot)
		}
	}
	return m
}

// canary reads one Canary.
func (k *connection) canary(ctx context.Context, name string) (*v1beta1.Canary, error) {
	c := &v1beta1.Canary{}
	if err := k.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: name}, c); err != nil {
		return nil, err
	}
	c.SetGroupVersionKind(v1beta1.GroupVersion.WithKind("Canary"))
	return c, nil
}

// pageSize is how many objects are asked for at once.
const pageSize = 500

// canaries reads the Canaries of a namespace, or of all if it is empty, in the order of their names.
func (k *connection) canaries(ctx context.Context, namespace, selector string) (*v1beta1.CanaryList, error) {
	o := &client.ListOptions{Namespace: namespace, Limit: pageSize}
	if selector != "" {
		parsed, err := labels.Parse(selector)
		if err != nil {
			return nil, usageError{fmt.Errorf("-l %s: %w", selector, err)}
		}
		o.LabelSelector = parsed
	}
	all := &v1beta1.CanaryList{}
	for {
		page := &v1beta1.CanaryList{}
		if err := k.List(ctx, page, o); err != nil {
			return nil, err
		}
		all.ResourceVersion, all.Items = page.ResourceVersion, append(all.Items, page.Items...)
		if o.Continue = page.Continue; o.Continue == "" {
			break
		}
	}
	for i := range all.Items {
		all.Items[i].SetGroupVersionKind(v1beta1.GroupVersion.WithKind("Canary"))
	}
	all.SetGroupVersionKind(v1beta1.GroupVersion.WithKind("CanaryList"))
	return all, nil
}

// retryAfter is how long after a failed look the next one is made, and how often objects are read that are not watched.
const retryAfter = 2 * time.Second

// errGone ends what follows a Canary.
var errGone = errors.New("it was deleted")

// follow calls each with a Canary as it is, and whenever it changes, until that says that it is done or the context ends. Once it has
// been read, a server that is away is waited for.
func (k *connection) follow(ctx context.Context, name string, each func(*v1beta1.Canary) (done bool, err error)) error {
	for seen := false; ; {
		c, err := k.canary(ctx, name)
		switch {
		case err == nil:
			seen = true
			if done, err := each(c); done || err != nil {
				return err
			}
			if done, err := k.watchOne(ctx, c, each); done || err != nil {
				return err
			}
		case seen && apierrors.IsNotFound(err):
			return fmt.Errorf("canary.flagger.app/%s: %w", name, errGone)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !seen || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
			return err
		}
		if err := pause(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// pause waits, or returns why the context ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// watchOne calls each for the changes of a Canary until its watch ends; who may not watch looks again.
func (k *connection) watchOne(ctx context.Context, c *v1beta1.Canary, each func(*v1beta1.Canary) (bool, error)) (done bool, err error) {
	changes, err := k.Watch(ctx, &v1beta1.CanaryList{}, &client.ListOptions{
		Namespace: c.Namespace, Raw: &metav1.ListOptions{ResourceVersion: c.ResourceVersion, FieldSelector: "metadata.name=" + c.Name},
	})
	if err != nil {
		return false, nil
	}
	defer changes.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case e, open := <-changes.ResultChan():
			now, is := e.Object.(*v1beta1.Canary)
			switch {
			case !open || !is: // it is read anew
				return false, nil
			case e.Type == watch.Deleted:
				return false, fmt.Errorf("canary.flagger.app/%s: %w", c.Name, errGone)
			}
			now.SetGroupVersionKind(v1beta1.GroupVersion.WithKind("Canary"))
			if done, err := each(now); done || err != nil {
				return done, err
			}
		}
	}
}

// named are the names that arguments are: `podinfo`, or as kubectl prints them `canary.flagger.app/podinfo`.
func named(args []string) []string {
	names := make([]string, len(args))
	for i, arg := range args {
		names[i] = arg
		if kind, name, cut := strings.Cut(arg, "/"); cut && (kind == "canary" || kind == "canaries" || kind == "cn" || strings.HasPrefix(kind, "canary.")) {
			names[i] = name
		}
	}
	return names
}
