package metric

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

const page = "../../docs/operations/templates.md"

// examples are the templates that the page shows.
func examples(t *testing.T) []v1beta1.MetricTemplate {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var all []v1beta1.MetricTemplate
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, one := range strings.Split(block[1], "\n---\n") {
			var template v1beta1.MetricTemplate
			require.NoError(t, yaml.UnmarshalStrict([]byte(one), &template), one)
			all = append(all, template)
		}
	}
	return all
}

func TestDocumentedExamplesWork(t *testing.T) {
	shown := map[string]bool{}
	for _, e := range examples(t) {
		shown[string(e.Spec.Provider.Type)] = true
		require.NoError(t, Check(e.Spec), e.Name)
		_, err := Render(e.Spec.Query, podinfo())
		require.NoError(t, err, e.Name)
		if e.Spec.Job == nil {
			continue
		}
		_, err = New(e.Spec.Provider, Settings{Cluster: deaf{t}, Namespace: "test", Vars: podinfo(), Job: Job{Template: e.Spec.Job.Raw, Round: "1"}})
		require.NoError(t, err, e.Name)
	}
	for _, name := range Known() {
		require.True(t, shown[name], "There is an example of %s.", name)
	}
}

// TestDocumentedTable compares the page with what is asked for.
func TestDocumentedTable(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for kind, s := range providerKinds() {
		row := regexp.MustCompile("(?m)^\\| `" + string(kind) + "` .*$").FindString(string(text))
		require.NotEmpty(t, row, "The table has %s.", kind)
		for _, key := range s.needs {
			require.Contains(t, row, "`"+key+"`")
		}
		require.Contains(t, row, s.address)
	}
}
