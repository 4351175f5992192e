package metric

import (
	"encoding/binary"
	"errors"
	"math"
)

// Sizes of a binary message, in bytes. Numbers in it are big-endian.
const (
	flowHeader  = 20 // version, kind, flags, reserved, channel
	flowBatch   = 12 // time, number of elements
	flowElement = 17 // kind, series, value
)

// The kinds of a value, as the vendor numbers them.
const (
	flowLong, flowDouble, flowInt = 1, 2, 3
)

var errFlow = errors.New("a message of data cannot be read")

// data reads one batch: the values of all series at one time.
//
// Source: https://dev.splunk.com/observability/docs/signalflow/messages/websocket_stream_messages
func (f *flow) data(text []byte) error {
	if len(text) < flowHeader+flowBatch || text[2] != 0 { // flags: packed, or JSON; neither was asked for
		return errFlow
	}
	rest := text[flowHeader+8:]
	count := int(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	// Before the loop: a count of four thousand million in a short message is not followed.
	if count > len(rest)/flowElement {
		return errFlow
	}
	for ; count > 0; count-- {
		value, err := flowValue(rest[0], binary.BigEndian.Uint64(rest[9:]))
		if err != nil {
			return err
		}
		if f.series == nil {
			f.series = map[uint64]bool{}
		}
		f.series[binary.BigEndian.Uint64(rest[1:])] = true
		// Batches come in the order of time, so the last value is the newest.
		f.last, rest = &value, rest[flowElement:]
	}
	return nil
}

func flowValue(kind byte, bits uint64) (float64, error) {
	switch kind {
	case flowLong:
		return float64(int64(bits)), nil
	case flowDouble:
		return math.Float64frombits(bits), nil
	case flowInt:
		// It fills the first half of the eight bytes, as the vendor's own server showed.
		return float64(int32(bits >> 32)), nil
	}
	return 0, errFlow
}
