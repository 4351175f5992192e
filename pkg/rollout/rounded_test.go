package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRounded(t *testing.T) {
	for given, want := range map[string]string{
		"97.46835443037975": "97.47", "99": "99", "0.123456": "0.1235", "0.00000012": "0.00000012", "1.515s": "1.515s", "NaN": "NaN", "12.50": "12.5", "1200": "1200",
		"500.001": "500.001", // or it would seem to be within the limit
	} {
		require.Equal(t, want, Rounded(given, "<= 500"))
	}
}
