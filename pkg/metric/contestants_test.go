package metric

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// contestant is a provider that is asked by HTTP, and how its server answers.
type contestant struct {
	query  string
	secret map[string]string
	answer http.HandlerFunc // 2.5, among other numbers
	empty  []http.HandlerFunc
	wrong  http.HandlerFunc // something that is no number
	huge   http.HandlerFunc // nil: 100 MB of spaces
	optio  bool             // it does without its Secret
}

// recorded serves an answer from testdata.
func recorded(t testing.TB, name string) http.HandlerFunc {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return answering(200, string(text))
}

func contestants(t testing.TB) map[v1beta1.MetricProviderType]contestant {
	t.Helper()
	return map[v1beta1.MetricProviderType]contestant{
		"prometheus": {
			query:  "up",
			secret: map[string]string{"username": "reader-of-metrics", "password": "s3cret-password"},
			answer: recorded(t, "prometheus.json"),
			empty:  []http.HandlerFunc{result("vector", `[]`), result("scalar", `[1,"NaN"]`)},
			wrong:  result("string", `[1,"five"]`),
			optio:  true,
		},
		"datadog": {
			query:  "avg:requests.error_rate{app:podinfo}",
			secret: map[string]string{"datadog_api_key": "s3cret-api", "datadog_application_key": "s3cret-app"},
			answer: recorded(t, "datadog.json"),
			empty:  []http.HandlerFunc{answering(200, `{"series":[]}`), answering(200, `{"series":[{"pointlist":[[1,null]]}]}`), answering(200, `{"series":[{"pointlist":[]}]}`)},
			wrong:  answering(200, `{"series":[{"pointlist":[[1,"five"]]}]}`),
		},
		"newrelic": {
			query:  "SELECT percentage(count(*), WHERE error IS true) AS result FROM Transaction",
			secret: map[string]string{"newrelic_account_id": "12345678", "newrelic_query_key": "s3cret-query"},
			answer: recorded(t, "newrelic.json"),
			empty:  []http.HandlerFunc{answering(200, `{"results":[]}`), answering(200, `{"results":[{"result":null}]}`)},
			wrong:  answering(200, `{"results":[{"result":"five"}]}`),
		},
		"graphite": {
			query:  "target=asPercent(a, sum(b))&from=-5min",
			secret: map[string]string{"username": "reader-of-metrics", "password": "s3cret-password"},
			answer: recorded(t, "graphite.json"),
			empty:  []http.HandlerFunc{answering(200, `[]`), answering(200, `[{"datapoints":[[null,1]]}]`), answering(200, `[{"datapoints":[]}]`)},
			wrong:  answering(200, `[{"datapoints":[["five",1]]}]`),
			optio:  true,
		},
		"influxdb": {
			query:  `from(bucket: "b") |> range(start: -1m)`,
			secret: map[string]string{"token": "s3cret-token", "org": "the-organisation"},
			answer: recorded(t, "influxdb.csv"),
			empty:  []http.HandlerFunc{answering(200, ""), answering(200, "\r\n"), flux("double", "")},
			wrong:  flux("string", "five"),
			huge:   hugeFlux,
			optio:  true,
		},
		"stackdriver": {
			query:  "fetch k8s_container",
			secret: map[string]string{"project": "the-project"}, // and a key that names the server
			answer: recorded(t, "stackdriver.json"),
			empty:  []http.HandlerFunc{answering(200, `{}`), answering(200, `{"timeSeriesData":[{"pointData":[]}]}`)},
			wrong:  answering(200, `{"timeSeriesData":[{"pointData":[{"values":[{"stringValue":"five"}]}]}]}`),
		},
		"dynatrace": {
			query:  "builtin:service.errors.total.rate:avg",
			secret: map[string]string{"dynatrace_token": "s3cret-token"},
			answer: recorded(t, "dynatrace.json"),
			empty:  []http.HandlerFunc{answering(200, `{"result":[]}`), answering(200, `{"result":[{"data":[]}]}`), answering(200, `{"result":[{"data":[{"values":[null]}]}]}`)},
			wrong:  answering(200, `{"result":[{"data":[{"values":["five"]}]}]}`),
		},
		"externalmetrics": {
			query:  "shop/error-rate?labelSelector=app%3Dpodinfo",
			secret: map[string]string{"token": "s3cret-token"},
			answer: recorded(t, "externalmetrics.json"),
			empty:  []http.HandlerFunc{answering(200, `{"items":[]}`)},
			wrong:  answering(200, `{"items":[{"value":"five"}]}`),
			optio:  true,
		},
		"web": {
			query:  "app=podinfo",
			secret: map[string]string{"token": "s3cret-token"},
			answer: recorded(t, "web.json"),
			empty:  []http.HandlerFunc{answering(200, `{}`), answering(200, `{"data":{"errorRate":null}}`)},
			wrong:  answering(200, `{"data":{"errorRate":"five"}}`),
			optio:  true,
		},
		"cloudwatch": {
			query:  `[{"Id":"e1","Expression":"m1/m2","Label":"errors"}]`,
			answer: clouds(2.5, 9.5),
			empty:  []http.HandlerFunc{clouds(), answeringCBOR(cbor.Map{"MetricDataResults": cbor.List{}}), clouds(math.NaN())},
			wrong:  answeringCBOR(cbor.Map{"MetricDataResults": cbor.String("five")}),
			huge:   inCBOR(huge),
			optio:  true,
		},
		"splunk": {
			query:  "data('errors').publish()",
			secret: map[string]string{"sf_token_key": "s3cret-token"},
			answer: flows(batch(frame(7, 9.5)), batch(frame(7, 2.5)), over),
			empty:  []http.HandlerFunc{flows(over), flows(batch(), over), flows(batch(frame(7, math.NaN())), over)},
			wrong:  flows(batch(append([]byte{9}, frame(7, 1)[1:]...)), over),
			huge:   flows(make([]byte, 2*outbound.MaxAnswer)),
		},
	}
}

// provider is the contestant's entry in a template, and the settings that go with it.
func (c contestant) provider(t testing.TB, kind v1beta1.MetricProviderType, url string) (v1beta1.MetricProvider, Settings) {
	p := v1beta1.MetricProvider{Type: kind, Address: url, Region: "eu-central-1"}
	s := Settings{Namespace: "shop", Quote: true, Pool: NewPool(nil)}
	if c.secret != nil {
		p.SecretRef = &v1beta1.SecretRef{Name: "credentials"}
		s.Secret = map[string][]byte{}
	}
	for key, value := range c.secret {
		s.Secret[key] = []byte(value)
	}
	switch kind {
	case "stackdriver":
		s.Secret["serviceAccountKey"] = accountKey(t, url)
	case "cloudwatch":
		s.elsewhere = true
		t.(interface{ Setenv(k, v string) }).Setenv("AWS_ACCESS_KEY_ID", "reader")
		t.(interface{ Setenv(k, v string) }).Setenv("AWS_SECRET_ACCESS_KEY", "s3cret-environment")
	case "web":
		s.Web = &v1beta1.WebRequest{JSONPath: "{.data.errorRate}"}
	}
	return p, s
}

// accountKey is the key of a service account, whose tokens come from the server under test.
func accountKey(t testing.TB, url string) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "reader@example.test", "token_uri": url + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	return text
}

// tokens answers those who log in; everybody else gets h.
func tokens(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"s3cret-exchanged","token_type":"Bearer","expires_in":3600}`)
			return
		}
		h(w, r)
	}
}

func flux(kind, value string) http.HandlerFunc {
	return answering(200, fmt.Sprintf("#datatype,string,long,%s\r\n#group,false,false,false\r\n#default,_result,,\r\n"+
		",result,table,_value\r\n,,0,%s\r\n\r\n", kind, value))
}

// hugeFlux never comes to its first record.
func hugeFlux(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `"`)
	huge(w, nil)
}

func clouds(values ...float64) http.HandlerFunc {
	list := cbor.List{}
	for _, v := range values {
		list = append(list, cbor.Float64(v))
	}
	return answeringCBOR(cbor.Map{"MetricDataResults": cbor.List{cbor.Map{
		"Id": cbor.String("e1"), "StatusCode": cbor.String("Complete"), "Values": list,
	}}})
}

func answeringCBOR(v cbor.Value) http.HandlerFunc {
	return inCBOR(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(cbor.Encode(v)) })
}

// inCBOR says what an answer is in; nobody reads it otherwise.
func inCBOR(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/cbor")
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		h(w, r)
	}
}

// over is the message that ends a program's data.
const over = `{"type":"control-message","channel":"sluice","event":"END_OF_CHANNEL"}`

// frame is one value of one series, and batch all of one time, as SignalFlow writes them.
func frame(series uint64, value float64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{flowDouble}, series)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(value))
}

func batch(frames ...[]byte) []byte {
	b := make([]byte, flowHeader, 100)
	b[0], b[1] = 1, 5
	b = binary.BigEndian.AppendUint64(b, 1760000000000)
	b = binary.BigEndian.AppendUint32(b, uint32(len(frames)))
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

// flows is a SignalFlow server that says the same to every program: bytes are data, strings are JSON.
func flows(messages ...any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/v2/signalflow/connect") {
			http.NotFound(w, r)
			return
		}
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for range 2 { // authenticate, execute
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
		for _, m := range messages {
			switch m := m.(type) {
			case []byte:
				err = conn.WriteMessage(websocket.BinaryMessage, m)
			case string:
				err = conn.WriteMessage(websocket.TextMessage, []byte(m))
			}
			if err != nil {
				return
			}
		}
		_, _, _ = conn.ReadMessage() // until the client goes
	}
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

func unmarshal(text string, out any) error { return json.Unmarshal([]byte(text), out) }
