package kube

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Mapper is for managers to map kinds to resources with (manager.Options.MapperProvider). It answers like the
// one it replaces, but asks that only once for each kind: a cache maps the kind of every object that is read from it,
// which costs more than the reading, and four fifths of a look at a Canary at rest. A kind that was not found is
// asked for again, since its custom resource may be installed later.
func Mapper(config *rest.Config, c *http.Client) (meta.RESTMapper, error) {
	m, err := apiutil.NewDynamicRESTMapper(config, c)
	if err != nil {
		return nil, err
	}
	return &mapper{RESTMapper: m}, nil
}

type mapper struct {
	meta.RESTMapper
	known sync.Map // mapped → *meta.RESTMapping
}

// mapped is what was asked for.
type mapped struct {
	kind     schema.GroupKind
	versions string
}

// RESTMapping is the resource of a kind, in the first of the versions that the cluster serves.
func (m *mapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	key := mapped{kind: kind, versions: strings.Join(versions, ",")}
	if found, ok := m.known.Load(key); ok {
		return found.(*meta.RESTMapping), nil //nolint:forcetypeassert // only these are stored
	}
	found, err := m.RESTMapper.RESTMapping(kind, slices.Clone(versions)...)
	if err != nil {
		return nil, err
	}
	m.known.Store(key, found)
	return found, nil
}
