package metric

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestNewestComplete has every system whose answers are series judged by the newest of their intervals that has ended:
// the one that is under way has counted a few requests of many. It is 2025-10-09 08:53:20 UTC, and an interval is a minute.
func TestNewestComplete(t *testing.T) {
	now := time.Unix(1760000000, 0)
	type value struct {
		before time.Duration // that its interval began
		value  string        // as JSON has it
	}
	answers := map[v1beta1.MetricProviderType]func(values []value) http.HandlerFunc{
		"datadog": func(values []value) http.HandlerFunc {
			points := ""
			for i, v := range values {
				points += fmt.Sprintf("%.*s[%d,%s]", min(i, 1), ",", now.Add(-v.before).UnixMilli(), v.value)
			}
			return answering(200, `{"series":[{"interval":60,"pointlist":[`+points+`]}]}`)
		},
		"graphite": func(values []value) http.HandlerFunc {
			points := ""
			for i, v := range values {
				points += fmt.Sprintf("%.*s[%s,%d]", min(i, 1), ",", v.value, now.Add(-v.before).Unix())
			}
			return answering(200, `[{"target":"a","datapoints":[`+points+`]}]`)
		},
		"cloudwatch": func(values []value) http.HandlerFunc {
			var times, list cbor.List
			for i := len(values) - 1; i >= 0; i-- { // the newest first
				if v := values[i]; v.value != "null" { // which it leaves out
					var n float64
					_, err := fmt.Sscan(v.value, &n)
					require.NoError(t, err)
					times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(now.Add(-v.before).Unix())})
					list = append(list, cbor.Float64(n))
				}
			}
			return answeringCBOR(cbor.Map{"MetricDataResults": cbor.List{cbor.Map{"Id": cbor.String("e1"), "Timestamps": times, "Values": list}}})
		},
	}
	cases := map[string]struct {
		reason string
		values []value
		want   float64
		none   bool
	}{
		"UnderWay": {
			reason: "The last one has just begun.", want: 99.9,
			values: []value{{130 * time.Second, "50"}, {70 * time.Second, "99.9"}, {10 * time.Second, "12"}},
		},
		"JustEnded": {
			reason: "The last one ends now.", want: 12,
			values: []value{{120 * time.Second, "99.9"}, {60 * time.Second, "12"}},
		},
		"Late": {
			reason: "What has not been reported yet is no value.", want: 50,
			values: []value{{130 * time.Second, "50"}, {70 * time.Second, "null"}, {10 * time.Second, "12"}},
		},
		"Old": {
			reason: "It may have ended some time ago.", want: 50,
			values: []value{{400 * time.Second, "50"}, {340 * time.Second, "null"}, {280 * time.Second, "null"}},
		},
		"OnlyUnderWay": {
			reason: "None has ended.", none: true,
			values: []value{{70 * time.Second, "null"}, {10 * time.Second, "12"}},
		},
	}
	for kind, answer := range answers {
		for name, tc := range cases {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				c := contestants(t)[kind]
				if kind == "cloudwatch" {
					c.query = `[{"Id":"e1","Expression":"100*m1/m2"},{"Id":"m1","MetricStat":{"Metric":{"Namespace":"a","MetricName":"b"},"Period":60,"Stat":"Sum"},"ReturnData":false}]`
				}
				got, err := ask(t, kind, c, answer(tc.values), func(s *Settings) { s.Now = func() time.Time { return now } })
				if tc.none {
					require.ErrorIs(t, err, ErrNoData, tc.reason)
					require.ErrorContains(t, err, "no interval of 1m0s has ended", tc.reason)
					return
				}
				require.NoError(t, err, tc.reason)
				require.Equal(t, tc.want, got, tc.reason)
			})
		}
	}
}
