package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many parts of a second /proc counts processor time in. The kernel
// gives user space a hundred on every architecture that Go runs on.
const ticks = 100

// Usage is what a process has taken so far.
type Usage struct {
	CPU      time.Duration // in user and kernel mode, all threads
	Resident int64         // bytes in memory now
	Peak     int64         // the most bytes there ever were
}

// usage reads /proc/PID.
func usage(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, err
	}
	cpu, err := processorTime(stat)
	if err != nil {
		return Usage{}, err
	}
	return Usage{CPU: cpu, Resident: kilobytes(status, "VmRSS"), Peak: kilobytes(status, "VmHWM")}, nil
}

// processorTime reads utime and stime, proc(5). The second field is the name of the
// program, which may have blanks and brackets in it, so fields count from its end.
func processorTime(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("not a line of /proc/PID/stat: %q", stat)
	}
	var sum int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// kilobytes reads a size of /proc/PID/status, in bytes; zero if it is not there.
func kilobytes(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name+":" {
			n, _ := strconv.ParseInt(fields[1], 10, 64) // zero says that it can't be told
			return n << 10
		}
	}
	return 0
}

// load is what the machine has to do: programs that run or want to, on average
// over the last minute.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
