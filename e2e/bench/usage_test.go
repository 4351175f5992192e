package bench

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProcessorTime(t *testing.T) {
	tests := map[string]struct {
		reason string
		stat   string
		want   time.Duration
		fails  bool
	}{
		"UserAndKernelMode": {
			reason: "utime and stime are the 14th and 15th field, in hundredths of a second",
			stat:   "17 (sluice) S 1 17 17 0 -1 4194560 900 0 1 0 250 50 7 9 20 0 11 0 100 1 2",
			want:   3 * time.Second,
		},
		"NameWithBlanksAndBrackets": {
			reason: "a program may be called anything, so fields are counted from the last bracket",
			stat:   "17 (a (b) c d) S 1 17 17 0 -1 4194560 900 0 1 0 1 2 7 9 20 0 11 0 100 1 2",
			want:   30 * time.Millisecond,
		},
		"Shorter": {
			reason: "what is not such a line must not count as no time at all",
			stat:   "17 (sluice) S 1 17",
			fails:  true,
		},
		"NotANumber": {
			reason: "the same for a field that is no number",
			stat:   "17 (sluice) S 1 17 17 0 -1 4194560 900 0 1 0 x 50 7 9 20 0 11 0 100 1 2",
			fails:  true,
		},
		"Empty": {reason: "a process that is gone leaves an empty file", fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := processorTime([]byte(tc.stat))
			require.Equal(t, tc.fails, err != nil, "%s: %v", tc.reason, err)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestKilobytes(t *testing.T) {
	const status = "Name:\tsluice\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t9\n"
	tests := map[string]struct {
		reason, name string
		want         int64
	}{
		"Resident": {reason: "kB are 1024 bytes there", name: "VmRSS", want: 10 << 20},
		"Peak":     {reason: "each line by its own name", name: "VmHWM", want: 20 << 20},
		"Missing":  {reason: "a kernel without it gives none", name: "VmSwap"},
		"NotASize": {reason: "a number without a unit is no size", name: "Threads"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, kilobytes([]byte(status), tc.name), tc.reason)
		})
	}
}

func TestUsage(t *testing.T) {
	before, err := usage(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, before.Resident, "a running process is somewhere in memory")
	require.GreaterOrEqual(t, before.Peak, before.Resident, "it was never smaller than now")
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = byte(i)
	}
	after, err := usage(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, after.Peak-before.Resident, int64(len(ballast)/2), "what is written to counts")
	require.GreaterOrEqual(t, after.CPU, before.CPU, "time does not go back")
	require.NotZero(t, ballast[1], "it is kept until here")
	_, err = usage(-1)
	require.Error(t, err, "a process that is not there has no usage")
}

func TestLoad(t *testing.T) {
	require.Regexp(t, `^\d+\.\d+$`, load(), "the first of the three averages alone")
}
