package walk

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
)

func TestTable(t *testing.T) {
	cases := map[string]struct {
		reason string
		row    Row
		seen   traffic.Report
		want   string
	}{
		"Split": {
			reason: "Who answered how much is in percent, the older version first.",
			row:    row(0, "Progressing", 10),
			seen:   traffic.Report{Total: 200, ByVersion: map[string]int{"3.1.1": 20, "3.1.0": 180}},
			want:   "03:04:05  Progressing       10  3.1.0 90.0%  3.1.1 10.0%                 200   100.0%\n",
		},
		"Quiet": {
			reason: "Before anybody asks there is nothing to say, and above all no success.",
			row:    row(0, "Initializing", 0),
			want:   "03:04:05  Initializing       0  -                                          0        -\n",
		},
		"Loss": {
			reason: "One failure in many must not be rounded away.",
			row:    row(0, "Failed", 0),
			seen:   traffic.Report{Total: 10000, Failed: 1, ByVersion: map[string]int{"3.1.0": 9999}},
			want:   "03:04:05  Failed             0  3.1.0 100.0%                           10000    <100%\n",
		},
		"Nameless": {
			reason: "An answer may come from somebody who doesn't say which version he is.",
			row:    row(0, "Promoting", 50),
			seen:   traffic.Report{Total: 4, Failed: 2, ByVersion: map[string]int{"": 2}},
			want:   "03:04:05  Promoting         50  ? 100.0%                                   4    50.0%\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out := &bytes.Buffer{}
			Table{Out: out}.Line(tc.row, tc.seen)
			require.Equal(t, tc.want, out.String(), tc.reason)
		})
	}
	out := &bytes.Buffer{}
	Table{Out: out}.Header()
	require.Equal(t, "TIME      PHASE         WEIGHT  ANSWERED BY                         REQUESTS  SUCCESS\n", out.String())
}
