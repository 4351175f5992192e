package view

import (
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Row is a Canary in a list of many.
type Row struct {
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	Created   time.Time           `json:"created"`
	State     State               `json:"state"`
	Phase     v1beta1.CanaryPhase `json:"phase"`
	Problem   string              `json:"problem,omitempty"`
	Waiting   *Waiting            `json:"waiting,omitempty"`
	Step      Step                `json:"step"`
	Weight    int                 `json:"weight"`
	Actual    *int                `json:"actual,omitempty"`
	Checks    Checks              `json:"checks"` // their numbers alone
	Run       *Run                `json:"run,omitempty"`
}

// RowOf is the Row of a Canary.
func RowOf(c *v1beta1.Canary) Row {
	v := headOf(c)
	v.Checks.Metrics, v.Checks.Last = nil, ""
	if v.Run != nil {
		v.Run.Track, v.Run.Actions, v.Run.Cause = nil, nil, ""
	}
	return Row{
		Namespace: v.Namespace, Name: v.Name, Created: v.Created, State: v.State, Phase: v.Phase, Problem: v.Problem, Waiting: v.Waiting, Step: v.Step,
		Weight: v.Weight, Actual: v.Actual, Checks: v.Checks, Run: v.Run,
	}
}

// WaitsForPerson says that a person is waited for.
func WaitsForPerson(c *v1beta1.Canary) bool { return rollout.Wait(c.Status.WaitingFor).ForPeople() }
