package observe

import (
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// UserError says that something is wrong which only the user can mend, so that it is told, not retried.
func UserError(err error) bool {
	return errors.As(err, new(*rollout.InvalidError)) || errors.As(err, new(*router.NotServedError)) ||
		errors.As(err, new(*kube.AlreadyOwnedError))
}

// IgnoreUserError drops what only the user could mend.
func IgnoreUserError(err error) error {
	if UserError(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
