package systems

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// carbon is the part of Graphite that stores.
const carbon = `[cache]
STORAGE_DIR = HERE
LOCAL_DATA_DIR = HERE/whisper
CONF_DIR = HERE
LOG_DIR = HERE
PID_DIR = HERE
DATABASE = whisper
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %d
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %d
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = %d
ENABLE_TAGS = False
`

// web is the part that answers.
const web = `from graphite.settings import *
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
STORAGE_DIR = LOG_DIR = "HERE"
STANDARD_DIRS = ["HERE/whisper"]
WHISPER_DIR = "HERE/whisper"
CARBONLINK_HOSTS = ["127.0.0.1:%d"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "HERE/db"}}
`

// TestGraphite asks the parts of Graphite that its authors wrote: carbon, and graphite-web.
func TestGraphite(t *testing.T) {
	cache := program(t, "carbon-cache", "Debian's package graphite-carbon")
	program(t, "graphite-manage", "Debian's package graphite-web")
	dir := t.TempDir()
	lines, pickle, link, port := free(t), free(t), free(t), free(t)
	for name, text := range map[string]string{
		"carbon.conf": fmt.Sprintf(carbon, lines, pickle, link), "storage-schemas.conf": "[all]\npattern = .*\nretentions = 1s:1h\n",
		"storage-aggregation.conf": "", "answering.py": fmt.Sprintf(web, link),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "HERE", dir)), 0o600))
	}
	run(t, nil, cache, "--nodaemon", "--config="+filepath.Join(dir, "carbon.conf"), "start")
	// Debian's Python has Debian's Django, whatever else is installed.
	run(t, []string{"PYTHONPATH=" + dir, "DJANGO_SETTINGS_MODULE=answering"}, "/usr/bin/python3", "-m", "django",
		"runserver", "--noreload", "--insecure", fmt.Sprintf("127.0.0.1:%d", port))
	require.Equal(t, "[]", get(t, local(port)+"/render?format=json&target=nothing"))

	now := time.Now().Truncate(5 * time.Second) // where buckets of five seconds end, however late they are asked for
	var text strings.Builder
	for ago := 20; ago > 0; ago-- {
		at := now.Add(-time.Duration(ago) * time.Second).Unix()
		fmt.Fprintf(&text, "app.one.errors %d %d\napp.two.errors %d %d\n", 20-ago, at, 1, at)
	}
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", lines))
		if err != nil {
			return false
		}
		_, err = c.Write([]byte(text.String()))
		return c.Close() == nil && err == nil
	}, patience, 50*time.Millisecond, "carbon listens")
	window := fmt.Sprintf("&from=%d&until=%d", now.Add(-30*time.Second).Unix(), now.Unix())
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, local(port)+"/render?format=json&target=app.two.errors"+window), "1.0,")
	}, patience, 50*time.Millisecond, "what was sent can be asked for")
	answers(t, provider(t, "graphite", local(port)), map[string]answer{
		"Newest":   {reason: "The last point whose second is over.", query: "target=app.one.errors" + window, want: 19},
		"Function": {reason: "A function of several series.", query: "target=sumSeries(app.*.errors)" + window, want: 20},
		"Summed":   {reason: "Buckets that have ended.", query: "target=summarize(app.two.errors,'5s','sum')" + window, want: 5},
		"Page":     {reason: "A query that was copied from a page with pictures.", query: "target=app.one.errors&format=png" + window, want: 19},
		"Nothing":  {reason: "Series that do not exist.", query: "target=app.three.errors" + window, none: true},
		"Before":   {reason: "A time in which there was nothing.", query: "target=app.one.errors&from=-50min&until=-40min", none: true},
	})
}
