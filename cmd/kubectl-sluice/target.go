package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/view"
)

// target is the workload that a Canary is about.
type target struct {
	object   client.Object
	template *corev1.PodTemplateSpec
}

// target reads the workload of spec.targetRef.
func (k *connection) target(ctx context.Context, c *v1beta1.Canary) (*target, error) {
	return k.workload(ctx, c, c.Spec.TargetRef.Name)
}

// workload reads a workload of the target's kind.
func (k *connection) workload(ctx context.Context, c *v1beta1.Canary, name string) (*target, error) {
	key := client.ObjectKey{Namespace: c.Namespace, Name: name}
	switch c.Spec.TargetRef.Kind {
	case "Deployment":
		d := &appsv1.Deployment{}
		err := k.Get(ctx, key, d)
		return &target{d, &d.Spec.Template}, err
	case "DaemonSet":
		d := &appsv1.DaemonSet{}
		err := k.Get(ctx, key, d)
		return &target{d, &d.Spec.Template}, err
	case "Service":
		return k.knativeService(ctx, key)
	}
	return nil, fmt.Errorf("a target of kind %q is not known", view.Clean(c.Spec.TargetRef.Kind, 63))
}

func (k *connection) knativeService(ctx context.Context, key client.ObjectKey) (*target, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(knative)
	if err := k.Get(ctx, key, u); err != nil {
		return nil, err
	}
	t := &target{object: u, template: &corev1.PodTemplateSpec{}}
	template, _, err := unstructured.NestedMap(u.Object, "spec", "template")
	if err != nil {
		return nil, err
	}
	return t, runtime.DefaultUnstructuredConverter.FromUnstructured(template, t.template)
}

// kind is that of the target.
func (t *target) kind() schema.GroupVersionKind {
	switch t.object.(type) {
	case *appsv1.Deployment:
		return appsv1.SchemeGroupVersion.WithKind("Deployment")
	case *appsv1.DaemonSet:
		return appsv1.SchemeGroupVersion.WithKind("DaemonSet")
	}
	return knative
}

// name is how kubectl prints the target.
func (t *target) name() string {
	kind := t.kind()
	return strings.ToLower(kind.Kind) + "." + kind.Group + "/" + t.object.GetName()
}

// images are those of all containers, by their names.
func (t *target) images() map[string]string {
	all := map[string]string{}
	for _, c := range slices.Concat(t.template.Spec.InitContainers, t.template.Spec.Containers) {
		all[c.Name] = c.Image
	}
	return all
}

// owner is the GitOps tool whose labels are on an object, which will put back what is changed; empty: none.
func owner(o client.Object) string {
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	switch {
	case labels["kustomize.toolkit.fluxcd.io/name"] != "", labels["helm.toolkit.fluxcd.io/name"] != "":
		return "Flux"
	case labels["argocd.argoproj.io/instance"] != "", annotations["argocd.argoproj.io/tracking-id"] != "":
		return "Argo CD"
	}
	return ""
}

// warn says on stderr that a change of the target will not last.
func (t *target) warn(c *cobra.Command) {
	if tool := owner(t.object); tool != "" {
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s belongs to %s, which will put it back; change it in Git as well\n", t.name(), tool)
	}
}

// setTemplate has a target get another template, if it is still as it was read.
func (k *connection) setTemplate(ctx context.Context, t *target, template any) error {
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/resourceVersion", "value": t.object.GetResourceVersion()},
		{"op": "replace", "path": "/spec/template", "value": template},
	})
	if err != nil {
		return err
	}
	return k.Patch(ctx, t.object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(fieldManager))
}

type set struct {
	cluster
	output
}

func newSet() *cobra.Command {
	parent := &cobra.Command{Use: "set", Short: "Change the target of a Canary", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		_ = c.Usage()
		return usageError{fmt.Errorf("set what? image")}
	}}
	s := &set{}
	c := &cobra.Command{
		Use:     "image NAME CONTAINER=IMAGE…",
		Short:   "Give containers of the target other images, which starts a rollout",
		Example: "  kubectl sluice set image podinfo podinfod=ghcr.io/stefanprodan/podinfo:6.0.1",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError{fmt.Errorf("name a Canary, and CONTAINER=IMAGE")}
			}
			return nil
		},
		ValidArgsFunction: s.complete,
		RunE:              func(c *cobra.Command, args []string) error { return s.run(c, named(args[:1])[0], args[1:]) },
	}
	s.output.addFlags(c)
	s.cluster.addFlags(c)
	parent.AddCommand(c)
	return parent
}

func (s *set) run(c *cobra.Command, name string, pairs []string) error {
	if err := s.validate(); err != nil {
		return err
	}
	wanted := map[string]string{}
	for _, pair := range pairs {
		container, image, given := strings.Cut(pair, "=")
		if !given || container == "" || image == "" {
			return usageError{fmt.Errorf("%q is not CONTAINER=IMAGE", pair)}
		}
		wanted[container] = image
	}
	k, err := s.connect()
	if err != nil {
		return err
	}
	canary, err := k.canary(c.Context(), name)
	if err != nil {
		return err
	}
	t, err := k.target(c.Context(), canary)
	if err != nil {
		return err
	}
	t.warn(c)
	if err := k.setImages(c.Context(), t, wanted); err != nil {
		return err
	}
	if s.format != "" {
		t.object.GetObjectKind().SetGroupVersionKind(t.kind())
		return s.print(c.OutOrStdout(), t.object)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s image updated\n", t.name())
	return nil
}

// setImages changes the images of containers and nothing else.
func (k *connection) setImages(ctx context.Context, t *target, wanted map[string]string) error {
	var patch []map[string]any
	for _, list := range []struct {
		field      string
		containers []corev1.Container
	}{{"initContainers", t.template.Spec.InitContainers}, {"containers", t.template.Spec.Containers}} {
		for i, c := range list.containers {
			image, is := wanted[c.Name]
			if !is {
				continue
			}
			delete(wanted, c.Name)
			path := fmt.Sprintf("/spec/template/spec/%s/%d/", list.field, i)
			if c.Name == "" {
				return fmt.Errorf("%s has a container without a name", t.name())
			}
			patch = append(patch, map[string]any{"op": "test", "path": path + "name", "value": c.Name}, map[string]any{"op": "replace", "path": path + "image", "value": image})
		}
	}
	if len(wanted) > 0 {
		return fmt.Errorf("%s has no container %s; it has %s", t.name(), strings.Join(slices.Sorted(maps.Keys(wanted)), ", "),
			view.Clean(strings.Join(slices.Sorted(maps.Keys(t.images())), ", "), 300))
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return k.Patch(ctx, t.object, client.RawPatch(types.JSONPatchType, text), client.FieldOwner(fieldManager))
}
