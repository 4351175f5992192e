package leader

import "time"

// Renew is what a renewal of the lease does to a Term.
func Renew(t *Term, at time.Time) { t.renew(at) }
