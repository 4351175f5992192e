package controller

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// ManagerOptions are what the reconciler needs of its manager: the kinds, and what is cached of them. Of other namespaces than
// these nothing is; none: all are watched.
func ManagerOptions(namespaces ...string) (ctrl.Options, error) {
	scheme := runtime.NewScheme()
	// Kubernetes' own kinds and ours. Routes of the providers are read as unstructured, so that none has to be served.
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			return ctrl.Options{}, err
		}
	}
	o := ctrl.Options{
		Scheme: scheme,
		// The library's would be asked for each object that is read from the cache.
		MapperProvider: kube.Mapper,
		// Of an object's record of owners, which is often larger than the object, our own part is kept.
		Cache: cache.Options{
			DefaultTransform:         kube.TrimManagedFields(),
			ByObject:                 map[client.Object]cache.ByObject{observe.NewDefinition(): cachedDefinition()},
			DefaultWatchErrorHandler: new(watchErrors).handle,
		},
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured: true, // routes are read as what they are watched as
			// Read when they are needed: a cluster has more of these than of all else, and Secrets are kept nowhere.
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}},
		}},
	}
	// With rights in one namespace only, a watch of all would be refused, and the caches never filled.
	for _, namespace := range namespaces {
		if o.Cache.DefaultNamespaces == nil {
			o.Cache.DefaultNamespaces = map[string]cache.Config{}
		}
		o.Cache.DefaultNamespaces[namespace] = cache.Config{}
	}
	return o, nil
}

// Use has the Reconciler read and write through a manager.
func (r *Reconciler) Use(mgr ctrl.Manager, now func() time.Time) {
	r.Client, r.Live, r.Now = mgr.GetClient(), mgr.GetAPIReader(), now
	// The cache and not the client, which would read the metadata of ConfigMaps and others live.
	r.Applier = &kube.Applier{Client: r.Client, Reader: mgr.GetCache(), Live: r.Live, Now: now}
	r.Runs = &kube.RunWriter{Client: r.Client, Now: now}
	r.Canaries = &kube.CanaryWriter{Client: r.Client, Live: r.Live, Now: now}
}
