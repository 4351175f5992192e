package observe

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// LiveReader reads each object live one time only: within one call, a moment ago is now. It keeps what a decision is about:
// the target, and the metadata of its configs.
type LiveReader struct {
	client.Reader
	seen map[string]liveRead
}

// liveRead is an object as it was read, and when.
type liveRead struct {
	object client.Object
	at     time.Time
}

// freshFor bounds how long a read counts as live: between two passes of a call the API server may be slow.
const freshFor = time.Second

// Get reads what was read just now from memory, and everything else live.
func (l *LiveReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	// The kind is part of it: metadata of a ConfigMap and of a Secret is of one Go type.
	name := fmt.Sprintf("%T %s %s", obj, obj.GetObjectKind().GroupVersionKind().Kind, key)
	// By the wall clock, not the rollout's: it is about how long ago a request was.
	if g, ok := l.seen[name]; ok && time.Since(g.at) < freshFor {
		reflect.ValueOf(obj).Elem().Set(reflect.ValueOf(g.object.DeepCopyObject()).Elem())
		return nil
	}
	// What is not there is not remembered: it may be made while the passes go on, and asking again is cheap.
	if err := l.Reader.Get(ctx, key, obj, opts...); err != nil {
		return err
	}
	if l.seen == nil {
		l.seen = map[string]liveRead{}
	}
	if seen, ok := obj.DeepCopyObject().(client.Object); ok {
		l.seen[name] = liveRead{object: seen, at: time.Now()}
	}
	return nil
}
