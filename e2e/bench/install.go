package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// install makes the cluster one that Sluice runs on: its kinds, Istio's kinds, and
// the rights of its manifests for the user that it is here.
func install(ctx context.Context, c client.Client, root string) error {
	istio, err := module(ctx, root, "istio.io/api")
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, "artifacts", "crds", "*.yaml"))
	if err != nil {
		return err
	}
	files = append(files, filepath.Join(istio, "kubernetes", "customresourcedefinitions.gen.yaml"))
	for _, file := range files {
		if err := create(ctx, c, file, "CustomResourceDefinition"); err != nil {
			return err
		}
	}
	for _, dir := range []string{"base/rights", "components/secrets"} {
		if err := create(ctx, c, filepath.Join(root, "kustomize", dir, "rbac.yaml"), "ClusterRole"); err != nil {
			return err
		}
	}
	for _, object := range []client.Object{routes(), binding("sluice"), binding("sluice-secrets"), binding(routesRole)} {
		if err := c.Create(ctx, object); err != nil {
			return err
		}
	}
	return served(ctx, c)
}

const routesRole = "sluice-bench-routes"

// routes are the rights that the overlay of Istio adds to the ClusterRole of all
// installations.
func routes() *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: routesRole},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"networking.istio.io"}, Resources: []string{"virtualservices", "destinationrules"},
			Verbs: []string{"get", "list", "watch", "create", "patch"},
		}},
	}
}

// binding gives the operator a ClusterRole, which its manifests give to a
// ServiceAccount.
func binding(role string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role + "-to-bench"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: userSluice}},
	}
}

// served waits until the new kinds can be asked for.
func served(ctx context.Context, c client.Client) error {
	routes := &unstructured.UnstructuredList{}
	routes.SetAPIVersion("networking.istio.io/v1")
	routes.SetKind("VirtualServiceList")
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		return c.List(ctx, &v1beta1.CanaryList{}) == nil && c.List(ctx, routes) == nil, nil
	})
}

// create makes the objects of one kind that a file has.
func create(ctx context.Context, c client.Client, file, kind string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	objects, err := documents(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		if err := c.Create(ctx, object); err != nil {
			return fmt.Errorf("%s: %s %q: %w", file, kind, object.GetName(), err)
		}
	}
	return nil
}

// documents reads a YAML file of many objects; empty ones are left out.
func documents(raw []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}
