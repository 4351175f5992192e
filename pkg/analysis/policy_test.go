package analysis

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// vector is a Prometheus that answers with several elements.
func vector(values ...string) http.HandlerFunc {
	var all []string
	for _, v := range values {
		all = append(all, `{"metric":{},"value":[1,"`+v+`"]}`)
	}
	return saying(200, `{"status":"success","data":{"resultType":"vector","result":[`+strings.Join(all, ",")+`]}}`)
}

func TestPolicies(t *testing.T) {
	const silent = "Halt advancement no values found for metric: errors"
	cases := map[string]struct {
		reason  string
		server  http.HandlerFunc
		metric  v1beta1.CanaryMetric
		verdict v1beta1.Verdict
		message string // of the measurement
	}{
		"NoData":             {reason: "Left out, no data fails.", server: vector(), verdict: v1beta1.Failed, message: silent},
		"NoDataFail":         {reason: "As it does when asked for.", server: vector(), metric: v1beta1.CanaryMetric{OnNoData: "fail"}, verdict: v1beta1.Failed, message: silent},
		"NoDataPass":         {reason: "It may pass; what was found is kept.", server: vector(), metric: v1beta1.CanaryMetric{OnNoData: "pass"}, verdict: v1beta1.Passed, message: silent},
		"NoDataWait":         {reason: "It may be waited for.", server: vector(), metric: v1beta1.CanaryMetric{OnNoData: "wait"}, verdict: v1beta1.Waiting, message: silent},
		"NoDataInconclusive": {reason: "It may be left open.", server: vector(), metric: v1beta1.CanaryMetric{OnNoData: "inconclusive"}, verdict: v1beta1.Inconclusive, message: silent},
		"NaN":                {reason: "Left out, NaN fails.", server: vector("NaN"), verdict: v1beta1.Failed, message: silent},
		"NaNAsNoData":        {reason: "Left out, NaN is what no data is.", server: vector("NaN"), metric: v1beta1.CanaryMetric{OnNoData: "wait"}, verdict: v1beta1.Waiting, message: silent},
		"NaNPass":            {reason: "It has a policy of its own.", server: vector("NaN"), metric: v1beta1.CanaryMetric{OnNaN: "pass", OnNoData: "wait"}, verdict: v1beta1.Passed, message: silent},
		"NaNIsNotNoData":     {reason: "Which no data has no part in.", server: vector(), metric: v1beta1.CanaryMetric{OnNaN: "pass"}, verdict: v1beta1.Failed, message: silent},
		"Error":              {reason: "Left out, an error fails.", server: saying(503, ""), verdict: v1beta1.Failed, message: "Prometheus query failed for errors: "},
		"ErrorWait":          {reason: "It may be waited out.", server: saying(503, ""), metric: v1beta1.CanaryMetric{OnError: "wait"}, verdict: v1beta1.Waiting, message: "Prometheus query failed for errors: "},
		"ErrorIsNotNoData":   {reason: "A server that fails is not one without data.", server: saying(503, ""), metric: v1beta1.CanaryMetric{OnNoData: "pass", OnNaN: "pass"}, verdict: v1beta1.Failed, message: "Prometheus query failed for errors: "},
		"NoDataIsNoError":    {reason: "Nor the other way round.", server: vector(), metric: v1beta1.CanaryMetric{OnError: "pass"}, verdict: v1beta1.Failed, message: silent},
		"WrongWord":          {reason: "A query that cannot be rendered fails, whatever errors mean.", server: vector("1"), metric: v1beta1.CanaryMetric{OnError: "pass", Query: "{{ nobody }}"}, verdict: v1beta1.Failed, message: "Prometheus query failed for errors: parsing the query"},
		"OutOfRange":         {reason: "A value that is there is judged, whatever else is accepted.", server: vector("7"), metric: v1beta1.CanaryMetric{OnNoData: "pass", OnNaN: "pass", OnError: "pass"}, verdict: v1beta1.Failed, message: "Halt podinfo.test advancement errors 7.00 > 5"},
		"NotANumber":         {reason: "An answer that is no number is an error.", server: saying(200, `{"status":"success","data":{"resultType":"scalar","result":[1,"many"]}}`), metric: v1beta1.CanaryMetric{OnError: "inconclusive"}, verdict: v1beta1.Inconclusive, message: "Prometheus query failed for errors: "},
		"Empty":              {reason: "So is nothing at all.", server: saying(200, ""), metric: v1beta1.CanaryMetric{OnError: "inconclusive"}, verdict: v1beta1.Inconclusive, message: "Prometheus query failed for errors: "},
		"Redirects":          {reason: "So is a server that sends one round in circles.", server: redirect("/"), metric: v1beta1.CanaryMetric{OnError: "inconclusive"}, verdict: v1beta1.Inconclusive, message: "Prometheus query failed for errors: "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := tc.metric
			m.Name, m.Threshold, m.Query = "errors", 5, cmp.Or(m.Query, "errors")
			f := one(t, impatient(serve(t, tc.server)), m)
			require.Equal(t, tc.verdict, f.Verdict, "%s %s", tc.reason, f.Message)
			require.Contains(t, f.Measurement.Message, tc.message, tc.reason)
			require.Equal(t, tc.verdict == v1beta1.Passed, f.Message == "", "Nothing is said of what passed.")
		})
	}
}

func TestTemplateIsMissingWithPolicy(t *testing.T) {
	m := referring("gone")
	m.OnError = v1beta1.ResultWait
	a := impatient("")
	a.Library = &shelf{}
	require.Equal(t, v1beta1.Waiting, one(t, a, m).Verdict, "A template may be applied a moment after its Canary.")
}

func TestNaNWithLimits(t *testing.T) {
	const condition = "result.all(r, isNaN(r) || r < 0.5)"
	cases := map[string]struct {
		reason string
		values []string
		metric v1beta1.CanaryMetric
	}{
		"Range":       {reason: "A range is about all values, and one is none.", values: []string{"0.1", "NaN"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}, SuccessCondition: condition}},
		"Threshold":   {reason: "So is the older threshold.", values: []string{"0.1", "NaN"}, metric: v1beta1.CanaryMetric{Threshold: 5, SuccessCondition: condition}},
		"First":       {reason: "Wherever it is.", values: []string{"NaN", "0.1"}, metric: v1beta1.CanaryMetric{Threshold: 5, SuccessCondition: condition}},
		"NoCondition": {reason: "With conditions or without.", values: []string{"NaN", "0.1"}, metric: v1beta1.CanaryMetric{Threshold: 5}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := tc.metric
			m.Name, m.Query, m.OnNaN = "errors", "errors", v1beta1.ResultWait
			f := one(t, impatient(serve(t, vector(tc.values...))), m)
			require.Equal(t, v1beta1.Waiting, f.Verdict, "%s %s", tc.reason, f.Message)
		})
	}
}

func TestVerdicts(t *testing.T) {
	cases := map[string]struct {
		reason  string
		values  []string
		metric  v1beta1.CanaryMetric
		verdict v1beta1.Verdict
		told    string // after: Halt podinfo.test advancement errors
	}{
		"Success":        {reason: "A condition alone.", values: []string{"0.01"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result < 0.05"}, verdict: v1beta1.Passed},
		"NoSuccess":      {reason: "One condition decides both ways.", values: []string{"0.1"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result < 0.05"}, verdict: v1beta1.Failed, told: "0.1 does not meet successCondition result < 0.05"},
		"Failure":        {reason: "So does the other.", values: []string{"0.9"}, metric: v1beta1.CanaryMetric{FailureCondition: "result > 0.5"}, verdict: v1beta1.Failed, told: "0.9 meets failureCondition result > 0.5"},
		"NoFailure":      {reason: "What does not fail has passed.", values: []string{"0.1"}, metric: v1beta1.CanaryMetric{FailureCondition: "result > 0.5"}, verdict: v1beta1.Passed},
		"Neither":        {reason: "Between the two it is open.", values: []string{"0.3"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result < 0.05", FailureCondition: "result > 0.5"}, verdict: v1beta1.Inconclusive, told: "0.3 meets neither successCondition result < 0.05 nor failureCondition result > 0.5"},
		"Both":           {reason: "A failure is one, whatever else holds.", values: []string{"1"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result > 0.05", FailureCondition: "result > 0.5"}, verdict: v1beta1.Failed, told: "1 meets failureCondition result > 0.5"},
		"OfBothSuccess":  {reason: "The one that holds decides.", values: []string{"0.01"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result < 0.05", FailureCondition: "result > 0.5"}, verdict: v1beta1.Passed},
		"RangeAsWell":    {reason: "The range counts beside them.", values: []string{"0.01"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Min: new(0.02)}, SuccessCondition: "result < 0.05"}, verdict: v1beta1.Failed, told: "0.01 < 0.02"},
		"OldThreshold":   {reason: "So does the older threshold, where it is given.", values: []string{"7"}, metric: v1beta1.CanaryMetric{Threshold: 5, SuccessCondition: "result > 0.0"}, verdict: v1beta1.Failed, told: "7.00 > 5"},
		"RangePasses":    {reason: "Both hold.", values: []string{"0.03"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Min: new(0.02)}, SuccessCondition: "result < 0.05"}, verdict: v1beta1.Passed},
		"List":           {reason: "All elements are seen.", values: []string{"0.9", "0.1"}, metric: v1beta1.CanaryMetric{FailureCondition: "result.exists(r, r > 0.5)"}, verdict: v1beta1.Failed, told: "[0.9, 0.1] meets failureCondition result.exists(r, r > 0.5)"},
		"ListWithRange":  {reason: "The range is about all of them.", values: []string{"9", "0.1"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}, SuccessCondition: "size(result) == 2"}, verdict: v1beta1.Failed, told: "9.00 > 5"},
		"FirstCounts":    {reason: "Without conditions too: their order is the server's.", values: []string{"100", "3"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}}, verdict: v1beta1.Failed, told: "100.00 > 5"},
		"LastCounts":     {reason: "Wherever in the list it is.", values: []string{"0.1", "9"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}}, verdict: v1beta1.Failed, told: "9.00 > 5"},
		"LowCounts":      {reason: "At the other end as well.", values: []string{"1", "7", "7"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Min: new(5.0)}}, verdict: v1beta1.Failed, told: "1.00 < 5"},
		"AllInRange":     {reason: "All of them hold.", values: []string{"0.1", "4", "5"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}}, verdict: v1beta1.Passed},
		"OutBesideNaN":   {reason: "A value that is out of range has failed, whatever another one may be.", values: []string{"9", "NaN"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}, OnNaN: v1beta1.ResultPass}, verdict: v1beta1.Failed, told: "9.00 > 5"},
		"NaNInList":      {reason: "In a list it is the condition's to judge.", values: []string{"NaN", "0.1"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result.all(r, isNaN(r) || r < 0.5)"}, verdict: v1beta1.Passed},
		"NaNAtTheEnd":    {reason: "Wherever in the list it is.", values: []string{"0.1", "NaN"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result.all(r, isNaN(r) || r < 0.5)"}, verdict: v1beta1.Passed},
		"NaNFails":       {reason: "And the condition may refuse it there.", values: []string{"0.1", "NaN"}, metric: v1beta1.CanaryMetric{FailureCondition: "result.exists(r, isNaN(r))"}, verdict: v1beta1.Failed, told: "[0.1, NaN] meets failureCondition result.exists(r, isNaN(r))"},
		"NaNOpenRange":   {reason: "A range without ends limits nothing.", values: []string{"0.1", "NaN"}, metric: v1beta1.CanaryMetric{ThresholdRange: &v1beta1.ThresholdRange{}, SuccessCondition: "result.all(r, isNaN(r) || r < 0.5)"}, verdict: v1beta1.Passed},
		"OneWanted":      {reason: "Several values where the condition is about one.", values: []string{"1", "2"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result < 5"}, verdict: v1beta1.Failed, told: "[1, 2] successCondition result < 5: it is about one number, and the query returned 2"},
		"OutOfBounds":    {reason: "A condition that breaks has not passed.", values: []string{"1"}, metric: v1beta1.CanaryMetric{SuccessCondition: "result[4] < 5.0"}, verdict: v1beta1.Failed, told: "1 successCondition result[4] < 5.0: index out of bounds: 4"},
		"FailureBreaks":  {reason: "Nor has a failure that cannot be told.", values: []string{"1"}, metric: v1beta1.CanaryMetric{FailureCondition: "result[4] < 5.0"}, verdict: v1beta1.Failed, told: "1 failureCondition result[4] < 5.0: index out of bounds: 4"},
		"DoesNotCompile": {reason: "One that was stored before it was checked fails.", values: []string{"1"}, metric: v1beta1.CanaryMetric{SuccessCondition: "resul < 5"}, verdict: v1beta1.Failed, told: "1 successCondition resul < 5: line 1, column 1: undeclared reference"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := tc.metric
			m.Name, m.Query = "errors", "errors"
			f := one(t, impatient(serve(t, vector(tc.values...))), m)
			require.Equal(t, tc.verdict, f.Verdict, "%s %s", tc.reason, f.Message)
			if tc.told == "" {
				require.Empty(t, f.Message, tc.reason)
				return
			}
			require.Contains(t, f.Message, "Halt podinfo.test advancement errors "+tc.told, tc.reason)
		})
	}
}

// TestNoRecords has an InfluxDB count nothing.
func TestNoRecords(t *testing.T) {
	cases := map[string]struct {
		reason  string
		policy  v1beta1.ResultPolicy
		answer  string
		verdict v1beta1.Verdict
		value   string
	}{
		"Zero":   {reason: "In the interface no records are a 0.", verdict: v1beta1.Passed, value: "0"},
		"Policy": {reason: "Unless the metric says what they are.", policy: v1beta1.ResultWait, verdict: v1beta1.Waiting},
		"Fail":   {reason: "Be it what is left out elsewhere.", policy: v1beta1.ResultFail, verdict: v1beta1.Failed},
		"NoValue": {
			reason: "A record without a value is no data.", verdict: v1beta1.Failed,
			answer: "#datatype,string,long,double\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,\r\n\r\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := impatient("")
			a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": {
				Provider: v1beta1.MetricProvider{Type: "influxdb", Address: serve(t, saying(200, tc.answer))}, Query: `from(bucket: "b")`,
			}}}
			m := referring("here")
			m.OnNoData = tc.policy
			f := one(t, a, m)
			require.Equal(t, tc.verdict, f.Verdict, "%s %s", tc.reason, f.Message)
			require.Equal(t, tc.value, f.Measurement.Value, tc.reason)
		})
	}
}
