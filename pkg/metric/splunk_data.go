package metric

import (
	"encoding/binary"
	"errors"
	"math"
)

// Sizes of a binary message, in bytes.
const (
	flowHeader  = 20 // version, kind, flags, reserved, channel
	flowBatch   = 12 // time, number of elements
	flowElement = 17 // kind, series, value
)

// The kinds of a value.
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
		return float64(int32(bits >> 32)), nil
	}
	return 0, errFlow
}
