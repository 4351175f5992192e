package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

const (
	mostLabel   = 63 // characters of a label's value
	mostName    = 253
	mostUID     = 5  // characters of the Canary's UID in the name of its CanaryRuns
	mostRunName = 27 // characters that come after the Canary's name there
)

// Run is the CanaryRun of a run that has ended, and the name of the one that is kept no longer once it is there; empty: there is
// none.
func Run(f *Facts, run v1beta1.Run) (made *v1beta1.CanaryRun, old string) {
	c, yes := f.Canary, true
	if n := run.Number - int64(f.Snapshot.Plan.Records); n > 0 && f.Snapshot.Plan.Records > 0 {
		old = RunName(c, n)
	}
	return &v1beta1.CanaryRun{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace, Name: RunName(c, run.Number),
			Labels: map[string]string{v1beta1.RunCanaryLabel: shortened(c.Name, mostLabel), v1beta1.RunOutcomeLabel: string(run.Outcome)},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1beta1.GroupVersion.String(), Kind: "Canary", Name: c.Name, UID: c.UID, Controller: &yes,
			}},
		},
		Record: rollout.RecordOf(f.Snapshot.Plan, c.Status, run),
	}, old
}

// RunName is the name of a Canary's CanaryRun. The UID tells it from one of another Canary of that name.
func RunName(c *v1beta1.Canary, number int64) string {
	uid := string(c.UID)
	return fmt.Sprintf("%s-%d-%s", shortened(c.Name, mostName-mostRunName), number, uid[:min(len(uid), mostUID)])
}

// shortened is a name of at most so many characters: a longer one ends in a hash.
func shortened(name string, most int) string {
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:4])
	return name[:most-len(hash)-1] + "-" + hash
}
