package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
)

// TestSafetyLook has decisions that wait for an event which does not come.
func TestSafetyLook(t *testing.T) {
	cases := map[v1beta1.CanaryPhase]time.Duration{
		"":                             safetyLook,
		v1beta1.PhaseInitializing:      safetyLook,
		v1beta1.PhaseWaiting:           safetyLook,
		v1beta1.PhaseProgressing:       safetyLook,
		v1beta1.PhaseWaitingPromotion:  safetyLook,
		v1beta1.PhasePromoting:         safetyLook,
		v1beta1.PhaseFinalising:        safetyLook,
		v1beta1.PhaseTerminating:       safetyLook,
		v1beta1.PhaseInitialized:       0,
		v1beta1.PhaseSucceeded:         0,
		v1beta1.PhaseFailed:            0,
		v1beta1.CanaryPhase("Unheard"): safetyLook,
	}
	for phase, want := range cases {
		t.Run(string(phase), func(t *testing.T) {
			c := &v1beta1.Canary{Status: v1beta1.CanaryStatus{Phase: phase}}
			p := &pass{Facts: &desired.Facts{Canary: c}}
			require.Equal(t, want, p.requeue().RequeueAfter, "An event may be lost; at rest nothing is waited for.")
			p.after = time.Second
			require.Equal(t, time.Second, p.requeue().RequeueAfter, "What is known to come sooner is not put off.")
		})
	}
}
