package kube

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Chain is objects that are made so in their order, because each depends on those before it. Chains do not depend on each
// other.
type Chain []Link

// Link is an object of a Chain.
type Link struct {
	Object runtime.ApplyConfiguration
	// Existing says that what comes after it only needs it to be there. Else its content counts as well.
	Existing bool
	// Traffic says that it moves traffic.
	Traffic bool
	// Earlier says that it is, by the same pointer, in a chain before this one as well, which makes it so.
	Earlier bool
}

// Links makes a Chain of objects whose content counts.
func Links(objs ...runtime.ApplyConfiguration) Chain {
	chain := make(Chain, 0, len(objs))
	for _, o := range objs {
		chain = append(chain, Link{Object: o})
	}
	return chain
}

// Outcome is what became of objects that were to be made so.
type Outcome struct {
	// Changed says that what was read before is out of date: see Apply.
	Changed bool
	// Refused are those that are not as they should be and cannot be made so now, in their order.
	Refused []*RefusedError
}

// ApplyChains makes all objects so that can be. One that is refused keeps those of its chain that depend on it, and nothing
// else, from being applied. So does one that the server fails to write for a moment, which is an error in the end.
//
// An object of the user's that has gone counts as changed.
func (a *Applier) ApplyChains(ctx context.Context, owner *v1beta1.Canary, chains ...Chain) (Outcome, error) {
	return follow(chains, func(obj runtime.ApplyConfiguration) (bool, error) { return a.apply(ctx, owner, obj) })
}

func follow(chains []Chain, visit func(runtime.ApplyConfiguration) (bool, error)) (Outcome, error) {
	var out Outcome
	var failed []error
	var left leftovers
	for _, chain := range chains {
		changed, refused, err := chain.follow(visit, &left)
		out.Changed = out.Changed || changed
		for _, no := range refused {
			out.refuse(no)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return out, errors.Join(failed...)
}

// leftovers are the objects that could not be made so, and why.
type leftovers []leftover

type leftover struct {
	object runtime.ApplyConfiguration
	why    error
}

// of is why an object of an earlier chain could not be made so; nil: it could.
func (l leftovers) of(obj runtime.ApplyConfiguration) error {
	for _, o := range l {
		if o.object == obj {
			return o.why
		}
	}
	return nil
}

// Refuse adds an error to what was refused, if it is a RefusedError. Any other is returned.
func (o *Outcome) Refuse(err error) error {
	var no *RefusedError
	if !errors.As(err, &no) {
		return err
	}
	o.refuse(no)
	return nil
}

// refuse adds what was refused, once: an object may be in several chains.
func (o *Outcome) refuse(no *RefusedError) {
	for _, r := range o.Refused {
		if r == no {
			return
		}
		if r.Object == no.Object && r.Verb == no.Verb {
			r.MovesTraffic = r.MovesTraffic || no.MovesTraffic
			return
		}
	}
	o.Refused = append(o.Refused, no)
}

// follow visits the objects up to the first without which the others must not be.
func (c Chain) follow(visit func(runtime.ApplyConfiguration) (bool, error), left *leftovers) (changed bool, refused []*RefusedError, err error) {
	for i, link := range c {
		now, err := link.follow(visit, left)
		changed = changed || now
		var no *RefusedError
		switch {
		case err == nil:
			continue
		case errors.Is(err, ErrMissing):
			return true, refused, nil
		case !errors.As(err, &no) && link.Earlier:
			return changed, refused, nil // the earlier chain says it
		case !errors.As(err, &no):
			return changed, refused, err
		}
		enough := no.InPlace || link.Existing && no.Exists
		no.MovesTraffic = no.MovesTraffic || link.Traffic && !no.InPlace || !enough && c[i+1:].movesTraffic()
		if refused = append(refused, no); !enough {
			break
		}
	}
	return changed, refused, nil
}

func (l Link) follow(visit func(runtime.ApplyConfiguration) (bool, error), left *leftovers) (changed bool, err error) {
	if l.Earlier {
		return false, left.of(l.Object)
	}
	if changed, err = visit(l.Object); err != nil {
		*left = append(*left, leftover{object: l.Object, why: err})
	}
	return changed, err
}

func (c Chain) movesTraffic() bool {
	for _, link := range c {
		if link.Traffic {
			return true
		}
	}
	return false
}
