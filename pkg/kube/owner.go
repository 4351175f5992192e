package kube

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TakenError says that an object we would have to write is somebody else's.
// Writing it would be a fight with its controller, so nothing is written.
type TakenError struct {
	Object string // kind and name of the object
	By     string // kind and name of its controller
}

func (e *TakenError) Error() string { return fmt.Sprintf("%s is controlled by %s", e.Object, e.By) }

// taken looks for a controller that is not the Canary. That of an earlier Canary
// of the same name is one too: its objects are about to be collected.
func taken(r ref, owner *v1beta1.Canary, live client.Object) error {
	by := metav1.GetControllerOf(live)
	if by == nil || by.UID == owner.UID {
		return nil
	}
	return &TakenError{Object: r.String(), By: fmt.Sprintf("%s %q", by.Kind, by.Name)}
}
