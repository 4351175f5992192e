package kube

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// AlreadyOwnedError says that an object we would have to write is somebody else's.
// Writing it would be a fight with its controller, so nothing is written.
type AlreadyOwnedError struct {
	Object     string // kind and name of the object
	Controller string // kind and name of its controller
}

func (e *AlreadyOwnedError) Error() string {
	return fmt.Sprintf("%s is controlled by %s", e.Object, e.Controller)
}

// checkController looks for a controller that is not the Canary. That of an earlier Canary
// of the same name is one too: its objects are about to be collected.
func checkController(r ref, owner *v1beta1.Canary, live client.Object) error {
	by := metav1.GetControllerOf(live)
	if by == nil || by.UID == owner.UID {
		return nil
	}
	return &AlreadyOwnedError{Object: r.String(), Controller: fmt.Sprintf("%s %q", by.Kind, by.Name)}
}
