package observe

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// NotPermittedError says that the operator's account lacks a right on a kind. It passes when somebody grants that, which
// makes no event.
type NotPermittedError struct {
	Verb, Resource string
	ReadOnly       bool // nothing of the kind is ever written
}

// Error names the right and what to do about it.
func (e *NotPermittedError) Error() string {
	verbs := "get, list, watch, create, update and patch"
	if e.ReadOnly {
		verbs = "get, list and watch"
	}
	return fmt.Sprintf("the operator may not %s %s: grant its account %s of them", e.Verb, e.Resource, verbs)
}

// UserError says that something is wrong which only the user can mend, so that it is told, not retried.
func UserError(err error) bool {
	return errors.As(err, new(*rollout.InvalidError)) || errors.As(err, new(*router.NotServedError)) ||
		errors.As(err, new(*kube.AlreadyOwnedError)) || NotPermitted(err)
}

// NotPermitted says that a right is missing, by our own look or by the server's word.
func NotPermitted(err error) bool {
	return errors.As(err, new(*NotPermittedError)) || apierrors.IsForbidden(err)
}

// IgnoreUserError drops what is wrong with a spec, or with what it refers to, for who gives back: there is nobody to be told
// any more. A right that is missing is kept: it may be granted, and what is owed is owed until then.
func IgnoreUserError(err error) error {
	if UserError(err) && !NotPermitted(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
