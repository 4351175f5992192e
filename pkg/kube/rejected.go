package kube

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Rejected says that the API server will not have what it was sent, as long as nobody changes the spec, the cluster's
// schemas or our permissions.
// A conflict, or a server that fails, is none of these, unless it has gone on for so long that it is a RefusedError: the
// next try may do.
func Rejected(err error) bool {
	return errors.As(err, new(*RefusedError)) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) || undeclared(err)
}

// undeclared says that a field is not in the kind's schema, as when its custom resources are older than we know them.
// The server has no reason for that but its own failure, and tells it by this text alone.
func undeclared(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && strings.Contains(status.Status().Message, "field not declared in schema")
}
