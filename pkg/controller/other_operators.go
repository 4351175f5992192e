package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// LeaseName is that of the lease of all operators of this API, so that two in one namespace never work at once:
// docs/decisions/0005-shared-lease-name.md.
const LeaseName = "flagger-leader-election"

// ReasonAnotherOperator is that of the event on Canaries which another operator may follow as well.
const ReasonAnotherOperator = "AnotherOperator"

const (
	// lookForOperators is how often leases are listed.
	lookForOperators = 10 * time.Minute
	// repeatOperators is when what was found is told again: events are kept for an hour.
	repeatOperators = time.Hour
	// mostOperators are named, by mostIdentity bytes each: anybody may write a lease in a namespace of his own.
	mostOperators, mostIdentity = 5, 128
)

// OtherOperators tells of operators of this API that are at work in other namespaces: of two that follow the same Canaries each
// undoes what the other does. It is for where the Canaries of all namespaces are followed.
type OtherOperators struct {
	Own   string      // namespace of the operator's own lease; empty: it has none
	Leads func() bool // whether this replica is the one that works

	client client.Reader // the cache, for Canaries
	live   client.Reader // the API server, for leases
	events record.EventRecorder
	now    func() time.Time

	due   chan struct{} // has one in it: leases are to be listed now
	found string        // what was told last
	told  time.Time
}

// NewOtherOperators reads Canaries from a cache and leases from the API server.
func NewOtherOperators(cache, live client.Reader, events record.EventRecorder) *OtherOperators {
	return &OtherOperators{
		Leads: func() bool { return true }, client: cache, live: live, events: events, now: time.Now, due: make(chan struct{}, 1),
	}
}

// Look has leases listed soon. It may be called on nil.
func (o *OtherOperators) Look() {
	if o == nil {
		return
	}
	select {
	case o.due <- struct{}{}:
	default: // it is about to be done
	}
}

// Start looks until ctx ends.
func (o *OtherOperators) Start(ctx context.Context) error {
	again := time.NewTicker(lookForOperators)
	defer again.Stop()
	for {
		if err := o.look(ctx); err != nil {
			// Nothing depends on it, and a right that is missing is somebody's decision.
			log.FromContext(ctx).Info("cannot tell whether another operator is at work", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		case <-o.due:
		}
	}
}

// look tells what is new, or was told long ago.
func (o *OtherOperators) look(ctx context.Context) error {
	if !o.Leads() {
		return nil
	}
	all := &coordinationv1.LeaseList{}
	// By this field selector the right to one name is enough.
	if err := o.live.List(ctx, all, client.MatchingFields{"metadata.name": LeaseName}); err != nil {
		return err
	}
	now := o.now()
	var others []string
	for _, l := range all.Items {
		if l.Namespace != o.Own && held(l, now) {
			others = append(others, outbound.Line(*l.Spec.HolderIdentity, mostIdentity)+" in namespace "+l.Namespace)
		}
	}
	slices.Sort(others)
	if more := len(others) - mostOperators; more > 0 {
		others = append(others[:mostOperators], fmt.Sprintf("%d more", more))
	}
	found := strings.Join(others, ", ")
	if found == o.found && (found == "" || now.Sub(o.told) < repeatOperators) {
		return nil
	}
	if found == "" {
		log.FromContext(ctx).Info("no other operator is at work any more", "was", o.found)
		o.found = ""
		return nil
	}
	log.FromContext(ctx).Error(nil, "another operator of flagger.app is at work: if it follows the same Canaries, each undoes what the other does", "others", others)
	canaries := &v1beta1.CanaryList{}
	if err := o.client.List(ctx, canaries, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range canaries.Items {
		o.events.Eventf(&canaries.Items[i], corev1.EventTypeWarning, ReasonAnotherOperator,
			"Another operator of flagger.app is at work: %s. If it follows this Canary as well, each undoes what the other does: stop one of them", found)
	}
	o.found, o.told = found, now
	return nil
}

// held says that somebody holds a lease at this moment.
func held(l coordinationv1.Lease, now time.Time) bool {
	s := l.Spec
	return s.HolderIdentity != nil && *s.HolderIdentity != "" && s.RenewTime != nil && s.LeaseDurationSeconds != nil &&
		now.Before(s.RenewTime.Add(time.Duration(*s.LeaseDurationSeconds)*time.Second))
}
