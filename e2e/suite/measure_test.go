package suite

import "testing"

func testMeasurements(t *testing.T, w *world) {}
