package metric

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/signalfx/signalflow-client-go/v2/signalflow"
	"github.com/signalfx/signalfx-go/idtool"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestSplunkVendor asks the server that the vendor tests its own client with; it serves one connection without a race.
func TestSplunkVendor(t *testing.T) {
	one, other := idtool.ID(1), idtool.ID(2)
	cases := map[string]struct {
		reason, program string
		want            float64
		err             string
	}{
		"One":     {reason: "One series has one value.", program: "one", want: 2.5},
		"Several": {reason: "Of several none is the one that is wanted.", program: "two", err: "publishes 2 series where one is wanted"},
		"Bad":     {reason: "What the server says of a program.", program: "bad", err: "unknown function"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake := signalflow.NewRunningFakeBackend()
			t.Cleanup(fake.Stop)
			fake.AccessToken = "s3cret-token"
			fake.SetTSIDFloatData(one, 2.5)
			fake.SetTSIDFloatData(other, 9.5)
			fake.AddProgramTSIDs("one", []idtool.ID{one})
			fake.AddProgramTSIDs("two", []idtool.ID{one, other})
			fake.AddProgramError("bad", "unknown function")
			p, err := New(
				v1beta1.MetricProvider{Type: "splunk", Address: strings.Replace(fake.URL(), "ws://", "http://", 1)},
				Settings{Interval: time.Millisecond, Quote: true, Secret: map[string][]byte{"sf_token_key": []byte("s3cret-token")}})
			require.NoError(t, err)
			got, err := p.Query(t.Context(), tc.program)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestSplunkSaysWhatIsWrong(t *testing.T) {
	cases := map[string]struct {
		reason string
		said   []any
		want   string
	}{
		"Token":   {reason: "The token is not shown.", said: []any{`{"type":"error","error":401,"message":"s3cret-token is not valid"}`}, want: `"*** is not valid"`},
		"Aborted": {reason: "Half a program has no value.", said: []any{batch(frame(7, 1)), `{"type":"control-message","event":"CHANNEL_ABORT"}`}, want: "aborted"},
		"Closed":  {reason: "Nor has a connection that ends early.", said: []any{batch(frame(7, 1)), "{"}, want: "cannot be read"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, "splunk", contestants(t)["splunk"], flows(tc.said...))
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

func TestSplunkAddress(t *testing.T) {
	for given, want := range map[string]string{
		"https://api.us1.signalfx.com":                  "wss://stream.us1.signalfx.com/v2/signalflow/connect",
		"https://api.us1.signalfx.com/":                 "wss://stream.us1.signalfx.com/v2/signalflow/connect",
		"https://stream.eu0.signalfx.com/v2/signalflow": "wss://stream.eu0.signalfx.com/v2/signalflow/connect",
		"http://proxy.example.test:8080/splunk":         "ws://proxy.example.test:8080/splunk/v2/signalflow/connect",
	} {
		p, err := newSplunk(config{address: given})
		require.NoError(t, err)
		require.Equal(t, want, p.(*splunk).to)
	}
}

// TestSplunkCutShort has messages end at every byte.
func TestSplunkCutShort(t *testing.T) {
	whole := batch(frame(7, 2.5), frame(7, 3.5))
	for n := range whole {
		var f flow
		require.Error(t, f.data(whole[:n]), "%d bytes", n)
	}
	var f flow
	require.NoError(t, f.data(whole))
	got, err := f.value()
	require.NoError(t, err)
	require.Equal(t, 3.5, got)
}

func TestSplunkValues(t *testing.T) {
	cases := map[string]struct {
		kind byte
		bits uint64
		want float64
	}{
		"Long":   {kind: flowLong, bits: ^uint64(0), want: -1},
		"Double": {kind: flowDouble, bits: math.Float64bits(2.5), want: 2.5},
		"Int":    {kind: flowInt, bits: 7 << 32, want: 7},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := flowValue(tc.kind, tc.bits)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestCloudwatchRequest(t *testing.T) {
	c := contestants(t)["cloudwatch"]
	var asked cbor.Map
	var at, signed string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		v, err := cbor.Decode([]byte(readAll(t, r.Body)))
		if err != nil {
			t.Error(err)
		}
		asked, at, signed = v.(cbor.Map), r.URL.Path, r.Header.Get("Authorization")
		c.answer(w, r)
	}).URL
	p, s := c.provider(t, "cloudwatch", url)
	s.Now, s.Interval = func() time.Time { return time.Unix(1795320000, 0) }, time.Minute
	made, err := New(p, s)
	require.NoError(t, err)
	_, err = made.Query(t.Context(), `[{"Id":"m1","MetricStat":{"Metric":{"Namespace":"Shop","MetricName":"Errors",`+
		`"Dimensions":[{"Name":"app","Value":"podinfo"}]},"Period":60,"Stat":"Sum"},"ReturnData":true}]`)
	require.NoError(t, err)
	require.Contains(t, at, "GetMetricData")
	require.Contains(t, signed, "/eu-central-1/monitoring/aws4_request", "It is signed for the region.")
	require.Equal(t, cbor.String("TimestampDescending"), asked["ScanBy"], "The newest value comes first.")
	stat := asked["MetricDataQueries"].(cbor.List)[0].(cbor.Map)["MetricStat"].(cbor.Map)
	require.Equal(t, cbor.String("Errors"), stat["Metric"].(cbor.Map)["MetricName"], "The query is what the template has.")
	from, to := asked["StartTime"].(*cbor.Tag).Value, asked["EndTime"].(*cbor.Tag).Value
	require.Equal(t, cbor.Float64(1795319400), from, "Ten intervals back.")
	require.Equal(t, cbor.Float64(1795320000), to)
}

func TestCloudwatchQuery(t *testing.T) {
	c := contestants(t)["cloudwatch"]
	p, s := c.provider(t, "cloudwatch", "http://127.0.0.1:1")
	made, err := New(p, s)
	require.NoError(t, err)
	_, err = made.Query(t.Context(), "sum(errors)")
	require.ErrorContains(t, err, "the query is not a list of MetricDataQuery in JSON")
}

func TestCloudwatchTrustsTheEnvironment(t *testing.T) {
	c := contestants(t)["cloudwatch"]
	for name, path := range map[string]string{"Missing": "testdata/nothing", "NoCertificate": "testdata/web.json"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_CA_BUNDLE", path)
			p, s := c.provider(t, "cloudwatch", "https://127.0.0.1:1")
			_, err := New(p, s)
			require.ErrorContains(t, err, "AWS_CA_BUNDLE")
		})
	}
}

func TestStackdriverLogsInOnce(t *testing.T) {
	c := contestants(t)["stackdriver"]
	logins := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			logins++
		}
		tokens(c.answer)(w, r)
	}).URL
	p, s := c.provider(t, "stackdriver", url)
	for range 3 {
		made, err := New(p, s) // as each round does
		require.NoError(t, err)
		_, err = made.Query(t.Context(), c.query)
		require.NoError(t, err)
	}
	require.Equal(t, 1, logins, "A token lives for an hour.")
}

func TestStackdriverLoginRefused(t *testing.T) {
	c := contestants(t)["stackdriver"]
	p, s := c.provider(t, "stackdriver", serve(t, answering(401, `{"error":"invalid_grant","error_description":"s3cret-assertion"}`)).URL)
	made, err := New(p, s)
	require.NoError(t, err)
	_, err = made.Query(t.Context(), c.query)
	require.ErrorContains(t, err, "logging in: the server answered 401")
	keepsSecrets(t, err, c)
}

func TestStackdriverWholeNumbers(t *testing.T) {
	for text, want := range map[string]float64{"42": 42, "-1": -1} {
		var a mqlAnswer
		require.NoError(t, unmarshal(`{"timeSeriesData":[{"pointData":[{"values":[{"int64Value":"`+text+`"}]}]}]}`, &a))
		got, err := a.value()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestInfluxWholeNumbers(t *testing.T) {
	c := contestants(t)["influxdb"]
	for kind, want := range map[string]float64{"long": 5, "unsignedLong": 5, "double": 5} {
		got, err := ask(t, "influxdb", c, flux(kind, "5"))
		require.NoError(t, err, kind)
		require.Equal(t, want, got, kind)
	}
}

// TestInfluxRecords has the caller tell an answer without records, which the interface counts as 0, from a record
// without a value.
func TestInfluxRecords(t *testing.T) {
	c := contestants(t)["influxdb"]
	_, err := ask(t, "influxdb", c, answering(200, ""))
	require.ErrorIs(t, err, ErrNoRecords)
	require.ErrorIs(t, err, ErrNoData)
	require.EqualError(t, err, "influxdb: query returned no data")
	_, err = ask(t, "influxdb", c, flux("double", ""))
	require.NotErrorIs(t, err, ErrNoRecords)
	require.ErrorIs(t, err, ErrNoData)
}

func TestInfluxGuest(t *testing.T) {
	var sent http.Header
	answer := func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		flux("double", "2.5")(w, r)
	}
	open := serve(t, answer).URL
	sealed, ca := certified(t, answer, time.Now().Add(time.Hour))
	cases := map[string]struct {
		reason, url string
		ref         *v1beta1.SecretRef
		secret      map[string][]byte
	}{
		"None":         {reason: "A server may answer everybody.", url: open},
		"Certificates": {reason: "A Secret may be for certificates alone.", url: sealed, ref: &v1beta1.SecretRef{Name: "ca"}, secret: map[string][]byte{"ca.crt": ca}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := New(v1beta1.MetricProvider{Type: "influxdb", Address: tc.url, SecretRef: tc.ref}, Settings{Secret: tc.secret, Quote: true})
			require.NoError(t, err, tc.reason)
			got, err := p.Query(t.Context(), `from(bucket: "b")`)
			require.NoError(t, err, tc.reason)
			require.Equal(t, 2.5, got)
			require.Empty(t, sent.Get("Authorization"), "There is nothing to show.")
		})
	}
}

func TestInfluxSaysWhatIsWrong(t *testing.T) {
	c := contestants(t)["influxdb"]
	_, err := ask(t, "influxdb", c, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":"invalid","message":"compilation failed: undefined identifier x"}`))
	})
	require.ErrorContains(t, err, "undefined identifier x")
}

func TestDatadogSaysWhatIsWrong(t *testing.T) {
	_, err := ask(t, "datadog", contestants(t)["datadog"], answering(200, `{"status":"error","error":"Error parsing query: unknown metric"}`))
	require.ErrorContains(t, err, "Error parsing query: unknown metric", "With status 200, that is.")
	require.NotErrorIs(t, err, ErrNoData)
}

func TestGraphiteQuery(t *testing.T) {
	c := contestants(t)["graphite"]
	c.query = "target=%zz"
	_, err := ask(t, "graphite", c, c.answer)
	require.ErrorContains(t, err, "not the query string of a URL")

	var got string
	c.query = "target=seriesByTag('a;b')"
	_, err = ask(t, "graphite", c, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query().Get("target")
		c.answer(w, r)
	})
	require.NoError(t, err)
	require.Equal(t, "seriesByTag('a;b')", got, "A semicolon belongs to the tags of a series.")
}

func TestExternalQuery(t *testing.T) {
	e := &external{config: config{Settings: Settings{Namespace: "shop"}}}
	cases := map[string]struct {
		reason, query, path, values string
	}{
		"Metric":    {reason: "In the Canary's namespace.", query: "errors", path: "shop/errors"},
		"Namespace": {reason: "In another.", query: "team/errors", path: "team/errors"},
		"Selector":  {reason: "Of some series only.", query: "errors?labelSelector=a%3Db", path: "shop/errors", values: "labelSelector=a%3Db"},
		"Slashes":   {reason: "Nobody gets out of the API.", query: "../../errors"},
		"Dots":      {reason: "Nor by one step.", query: "../errors"},
		"DotsOnly":  {reason: "Nor to the list of what there is.", query: "shop/.."},
		"Nothing":   {reason: "There is nothing to ask.", query: ""},
		"Broken":    {reason: "What cannot be read.", query: "errors?%zz"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path, values, err := e.target(tc.query)
			if tc.path == "" {
				require.Error(t, err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.True(t, strings.HasSuffix(path, "/namespaces/"+tc.path), path)
			require.Equal(t, tc.values, values.Encode(), tc.reason)
		})
	}
}

// deaf is a cluster that nobody should ask.
type deaf struct{ t *testing.T }

func (d deaf) Do(context.Context, string, string, []byte) ([]byte, error) {
	d.t.Error("the cluster was asked")
	return nil, nil
}

func TestKeptnNeedsARound(t *testing.T) {
	_, err := New(v1beta1.MetricProvider{Type: "keptn"}, Settings{Cluster: deaf{t}, Namespace: "shop"})
	require.EqualError(t, err, "keptn: an Analysis belongs to a round", "Without it every check would find the first one's.")
}

func TestKeptnForms(t *testing.T) {
	p, err := New(v1beta1.MetricProvider{Type: "keptn"}, Settings{Cluster: deaf{t}, Job: Job{Round: "1"}})
	require.NoError(t, err)
	for query, want := range map[string]string{
		"":                                  "neither keptnmetric/",
		"keptnmetric/shop":                  "neither keptnmetric/",
		"keptnmetric//errors":               "neither keptnmetric/",
		"keptnmetric/shop/errors/more":      "neither keptnmetric/",
		"analysis/shop/definition":          "neither keptnmetric/",
		"keptnmetric/shop/..":               "neither keptnmetric/",
		"keptnmetric/../errors":             "neither keptnmetric/",
		"keptnmetric/shop/errors?watch=1":   "neither keptnmetric/",
		"keptnmetric/shop/errors%2F..":      "neither keptnmetric/",
		"analysis/../definition/5m":         "neither keptnmetric/",
		"analysis/shop/../5m":               "neither keptnmetric/",
		"analysis/shop/definition/5m/stage": `the argument the string "stage" is not of the form key=value`,
	} {
		_, err := p.Query(t.Context(), query)
		require.ErrorContains(t, err, want, query)
	}
}

func TestJobRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, template, round, want string
	}{
		"NoRound":   {reason: "Without it every Job would be the same.", template: `{}`, want: "belongs to a round"},
		"NoJSON":    {reason: "What cannot be read.", template: `[`, round: "1", want: "spec.job is not an object"},
		"OtherKind": {reason: "A Pod is none.", template: `{"kind":"Pod"}`, round: "1", want: "spec.job is a Pod, not a Job"},
		"Type":      {reason: "The field is named.", template: `{"spec":{"backoffLimit":"many"}}`, round: "1", want: "backoffLimit"},
		"Variable":  {reason: "A word that is not given is named.", template: `{"spec":{"template":{"metadata":{"name":"{{ variables.x }}"}}}}`, round: "1", want: `"x"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := Settings{Cluster: deaf{t}, Namespace: "shop", Job: Job{Template: []byte(tc.template), Round: tc.round}}
			_, err := New(v1beta1.MetricProvider{Type: "job"}, s)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// TestJobRefusesAlike has two strings that cannot be filled in: the message ends in a condition, and must not flap.
func TestJobRefusesAlike(t *testing.T) {
	const template = `{"spec":{"b":"{{ variables.second }}","a":"{{ variables.first }}","c":"{{ variables.third }}"}}`
	for range 50 {
		s := Settings{Cluster: deaf{t}, Namespace: "shop", Job: Job{Template: []byte(template), Round: "1"}}
		_, err := New(v1beta1.MetricProvider{Type: "job"}, s)
		require.ErrorContains(t, err, `"first"`, "The first key is told.")
	}
}

func TestJobNames(t *testing.T) {
	j := Job{Round: "rev-1/3"}
	name := j.name(strings.Repeat("podinfo.smoke_", 10), "smoke")
	require.LessOrEqual(t, len(name), maxName, "Its Pods have longer names.")
	require.Regexp(t, `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, name)
	require.Equal(t, name, j.name(strings.Repeat("podinfo.smoke_", 10), "smoke"), "The same round is the same Job.")
	require.NotEqual(t, name, Job{Round: "rev-1/4"}.name(strings.Repeat("podinfo.smoke_", 10), "smoke"))
	require.NotEqual(t, name, j.name(strings.Repeat("podinfo.smoke_", 10), "other"))
}

func TestLatestFirst(t *testing.T) {
	pod := func(name string, second int) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(int64(second), 0)}}
	}
	var names []string
	listed := []corev1.Pod{pod("smoke-b", 2), pod("smoke-c", 3), pod("smoke-d", 1), pod("smoke-e", 3)}
	for _, p := range latestFirst(listed) {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"smoke-c", "smoke-e", "smoke-b", "smoke-d"}, names, "A list is in the order of names, and those end in chance.")
	require.Equal(t, "smoke-b", listed[0].Name, "The list itself stays as it is.")
}

func TestLastLines(t *testing.T) {
	require.Equal(t, "b\nc", lastLines([]byte("b\nc\n\n")))
	require.Equal(t, "3\n4\n5\n6\n7\n8\n9\n10\n11\n12", lastLines([]byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n")))
	require.LessOrEqual(t, len(lastLines([]byte(strings.Repeat("x", 100000)))), logBytes, "Logs have long lines.")
	require.Empty(t, lastLines(nil))
}

// TestInfluxUnknownAnnotation has rows of which the client makes no record, and said that there is one.
func TestInfluxUnknownAnnotation(t *testing.T) {
	c := contestants(t)["influxdb"]
	for _, text := range []string{"#datatype,string,long,double\n#esult,false,false,false\n#\n", "#datatype,double\nx,1\n"} {
		_, err := ask(t, "influxdb", c, answering(200, text))
		require.EqualError(t, err, "influxdb: the answer cannot be read: it is not the annotated CSV that was expected", text)
	}
}

func TestPrometheusNoValue(t *testing.T) {
	_, err := ask(t, "prometheus", contestants(t)["prometheus"], result("vector", `[{"metric":{}}]`))
	require.ErrorContains(t, err, "an element of the query's result has no value", "What is not there is not the value 0.")
	got, err := ask(t, "prometheus", contestants(t)["prometheus"], result("vector", `[{"metric":{},"value":[1,"0"]}]`))
	require.NoError(t, err)
	require.Zero(t, got, "And what is 0 is.")
}

func TestPrometheusNativeHistogram(t *testing.T) {
	const element = `{"metric":{},"histogram":[1,{"count":"3","sum":"7.5","buckets":[[0,"1","2","3"]]}]}`
	_, err := ask(t, "prometheus", contestants(t)["prometheus"], result("vector", "["+element+"]"))
	require.ErrorContains(t, err, "an element of the query's result is a histogram, not a number", "It has no value, which is not the value 0.")
}

func TestPrometheusNullElement(t *testing.T) {
	_, err := ask(t, "prometheus", contestants(t)["prometheus"], result("vector", `[null]`))
	require.ErrorContains(t, err, "an element of the query's result is null")
	require.NotErrorIs(t, err, ErrNoData, "Something was answered.")
}

// TestTinyQuantity has quantities that the library would write out with two thousand million digits.
func TestTinyQuantity(t *testing.T) {
	for _, text := range []string{"1e-2147483648", "1E-2147483648", "0.5e-1000000", "-1e-101"} {
		_, err := ask(t, "externalmetrics", contestants(t)["externalmetrics"], answering(200, `{"items":[{"value":"`+text+`"}]}`))
		require.ErrorContains(t, err, "not a quantity", text)
		job := `{"spec":{"template":{"spec":{"containers":[{"name":"smoke","resources":{"limits":{"cpu":"` + text + `"}}}]}}}}`
		_, err = New(v1beta1.MetricProvider{Type: "job"}, Settings{Namespace: "shop", Cluster: answered{}, Job: Job{Template: []byte(job), Round: "1"}})
		require.ErrorContains(t, err, "is too small a number", text)
	}
	word := `{"spec":{"template":{"spec":{"containers":[{"name":"smoke","args":["--name=smoke-200"]}]}}}}`
	_, err := New(v1beta1.MetricProvider{Type: "job"}, Settings{Namespace: "shop", Cluster: answered{}, Job: Job{Template: []byte(word), Round: "1"}})
	require.NoError(t, err, "A word is no number.")
	for text, want := range map[string]float64{"1500m": 1.5, "1e-3": 0.001, "2E": 2e18, "1e3": 1000, "5Ei": 5 << 60} {
		got, err := ask(t, "externalmetrics", contestants(t)["externalmetrics"], answering(200, `{"items":[{"value":"`+text+`"}]}`))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}
