// Package observe reads what a decision is about, in one place: the target, its primary and their pods, what belongs to
// them, the Canary's provider, and how far its routes are.
//
// What is read ends in one value, desired.Facts. What the user got wrong is a fact too, in Facts.Refused, and no error.
// Nothing is rendered here, and nothing is written. Reads come from the cache; a pass that decides reads the target live.
package observe

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Reader reads the facts of Canaries.
type Reader struct {
	Client  client.Client // reads from the cache
	Live    client.Reader // reads from the API server
	Applier *kube.Applier // knows when routes were applied, and whose cache has metadata
	Routers *Routers
	Kinds   workload.Kinds
	Settle  time.Duration // that proxies are given to take routes, whether or not they report on them
	Now     func() time.Time
	// Validate refuses what could never be judged; nil: nothing.
	Validate func(*v1beta1.Canary) error
	// AlertRemarks are about alerts that could never be sent; nil: there are none.
	AlertRemarks func(context.Context, *v1beta1.Canary) []rollout.Remark
	// Tracking has ConfigMaps and Secrets of the target's pods be part of its revision.
	Tracking bool
	// SecretsHidden says that the operator has no right to Secrets: they are no part of new revisions, and not copied.
	SecretsHidden bool
	// Hosts refuses routes for hosts of others; nil: nothing is refused.
	Hosts *Hosts
	// Operator is that of the facts.
	Operator string
	// Schema knows which fields of a status are not stored; nil: none.
	Schema *StatusSchema

	memory memory
	recent recentReads
}

// pass is where one pass reads what is not always read from the cache, and the provider that it has chosen.
type pass struct {
	targets client.Reader
	configs client.Reader // metadata of ConfigMaps and Secrets

	router      router.Router
	can         rollout.Capabilities
	providerErr error
}

// Cached reads from the cache alone, but for what is kept in no cache.
func (r *Reader) Cached(ctx context.Context, c *v1beta1.Canary) (*desired.Facts, error) {
	return r.read(ctx, &desired.Facts{Canary: c}, pass{targets: r.Client, configs: r.Applier.Reader})
}

// LiveTarget reads the target live and all else from the cache.
func (r *Reader) LiveTarget(ctx context.Context, c *v1beta1.Canary) (*desired.Facts, error) {
	return r.read(ctx, &desired.Facts{Canary: c}, pass{targets: r.Live, configs: r.Applier.Reader})
}

// Deciding reads for a pass that may decide: what the decision is about is read by live, which is good for all passes of
// one call.
func (r *Reader) Deciding(ctx context.Context, c *v1beta1.Canary, live *LiveReader) (*desired.Facts, error) {
	return r.read(ctx, &desired.Facts{Canary: c, Live: true}, pass{targets: live, configs: live})
}

func (r *Reader) read(ctx context.Context, f *desired.Facts, p pass) (*desired.Facts, error) {
	if err := aboutTarget(ctx, r, f); err != nil {
		return nil, err
	}
	c := f.Canary
	f.Operator = r.Operator
	f.Snapshot = rollout.Snapshot{
		Retargeted: f.Snapshot.Retargeted,
		Now:        r.Now(),
		Names:      names(c),
		Generation: c.Generation,
		Status:     c.Status,
		Paused:     c.Spec.Suspend,
		Deleting:   !c.DeletionTimestamp.IsZero(),
		Objects:    c.Status.Objects,
		Requested:  rollout.Requested{Text: c.Annotations[v1beta1.ActionAnnotation], By: c.Annotations[v1beta1.ActionByAnnotation]},
		WaitedFor:  c.Annotations[v1beta1.KstatusAnnotation] == v1beta1.KstatusRollouts,
	}
	f.Snapshot.SchemaMissing, f.SchemaAfter = r.Schema.Missing(ctx)
	// Once for all of the pass, and before anything is read: it has the kinds watched that the provider's routes are made of.
	p.router, p.can, p.providerErr = r.Routers.For(ctx, c)
	// Each builds on those before it:
	//
	//	rivals       first: the younger of two is to hear of the older, not of the primary that stands in its way
	//	target       its revision, configs included, and how far it is; refused where the provider cannot take it
	//	primary      from the cache: it is ours to write, and the cache must know our writes
	//	replaced     what is left of the target before
	//	sides        refused where nothing tells the pods of one from the other's; the primary's own selector counts
	//	recognise    compares both sides where the hash of the target does not tell its revision
	//	services     as they are by now
	//	plan         needs Services and the sizes of both sides for its remarks; from here on there is an intent
	//	hosts        refused where the routes would be for hosts of others
	//	autoscaler   bounds what the intent asks for
	//	growth       pods beyond those that the intent needs are not waited for
	//	history      only where the plan has a rollback hook
	//	ratio        refuses pods that no Service could find, where the plan divides requests by numbers of pods
	//	surroundings what belongs to the two sides: budgets, copies of configs
	//	routes       the user's own objects that the routes are made from
	for _, read := range []func(context.Context, *desired.Facts, pass) error{
		r.readRivals, r.readTarget, r.readPrimary, r.readReplaced, r.checkSides, r.recognise, r.readServices, r.readPlan, r.readHosts, r.readAutoscaler, r.allowGrowth, r.readHistory, r.readRatio, r.readSurroundings, r.readRouteSources,
	} {
		if err := read(ctx, f, p); err != nil {
			if !UserError(err) {
				return nil, fmt.Errorf("observe canary %s/%s: %w", c.Namespace, c.Name, err)
			}
			// What comes after would build on what is missing, and nothing of it is rendered.
			f.Refused = err
			break
		}
	}
	// Asked of a refused Canary as well: it may have left routes behind when it was still followed.
	return f, r.readClusterScopedRoutes(ctx, f, p)
}

func names(c *v1beta1.Canary) rollout.Names {
	return rollout.Names{
		UID:       c.UID,
		Namespace: c.Namespace,
		Canary:    c.Name,
		Kind:      c.Spec.TargetRef.Kind,
		Target:    c.Spec.TargetRef.Name,
		Primary:   c.PrimaryWorkload(),
	}
}

// readSurroundings reads what belongs to the two sides.
func (r *Reader) readSurroundings(ctx context.Context, f *desired.Facts, _ pass) (err error) {
	// Such a target scales and routes itself: there is nothing beside it.
	if _, ok := f.SelfVersioned(); ok {
		return nil
	}
	if f.Target == nil {
		return nil
	}
	f.RememberedSize = r.memory.size(f.Canary)
	if err := (configReader{r}).readCopies(ctx, f); err != nil {
		return err
	}
	return r.readBudgets(ctx, f)
}

// Remembers says whether a Canary was looked at, and not forgotten since.
func Remembers(r *Reader, c *v1beta1.Canary) bool {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	return r.memory.of[c.UID] != nil
}

// Forget drops what is remembered of a Canary that is gone.
func (r *Reader) Forget(c *v1beta1.Canary) { r.memory.forget(c) }
