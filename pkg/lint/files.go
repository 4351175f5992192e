package lint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// What is read at most. A manifest is no larger than what etcd stores, and files have a few of them.
const (
	mostBytes = 16 << 20 // of a file
	mostValue = 100_000  // values of a document, aliases written out
	mostDepth = 100
)

// Files are the documents of all files that were read.
type Files struct {
	documents []*document
	findings  []Finding      // that kept a file or a document from being read
	passed    map[string]int // documents that were not kept, by kind
	count     int
}

// document is one object with the place of each of its fields.
type document struct {
	file   string
	node   *yaml.Node
	object map[string]any

	apiVersion, kind, namespace, name string
}

// Read reads files, all manifests of folders, and for `-` what comes from stdin. Its errors are about paths that cannot be
// read; what is wrong inside of a file is a finding.
func Read(paths []string, stdin io.Reader) (*Files, error) {
	all := &Files{passed: map[string]int{}}
	for _, path := range paths {
		if path == "-" {
			if err := all.readFrom("-", stdin); err != nil {
				return nil, fmt.Errorf("read from stdin: %w", err)
			}
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case info.IsDir():
			err = all.readFolder(path)
		default:
			err = all.readFile(path)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readFolder reads the manifests of a folder and of those below. Hidden ones are left out, as is what a chart renders.
func (a *Files) readFolder(root string) error {
	var paths []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != root && strings.HasPrefix(e.Name(), "."):
			return filepath.SkipDir
		case e.IsDir() && e.Name() == "templates" && ofChart(filepath.Dir(path)):
			chart := filepath.Dir(path)
			a.refuse("helm-template", path, 0, "is the folder of a chart's templates", "Render it first: helm template "+chart+" | kubectl sluice lint -f -")
			return filepath.SkipDir
		case e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			return nil
		}
		paths = append(paths, path)
		return nil
	})
	if err != nil {
		return err
	}
	return a.readFiles(paths)
}

// readFiles reads files, several at the same time, and keeps what they have in their order.
func (a *Files) readFiles(paths []string) error {
	read, errs := make([]Files, len(paths)), make([]error, len(paths))
	each(len(paths), func(i int) {
		read[i].passed = map[string]int{}
		errs[i] = read[i].readFile(paths[i])
	})
	for i := range read {
		if errs[i] != nil {
			return errs[i]
		}
		a.documents = append(a.documents, read[i].documents...)
		a.findings = append(a.findings, read[i].findings...)
		a.count += read[i].count
		for kind, n := range read[i].passed {
			a.passed[kind] += n
		}
	}
	return nil
}

// ofChart says that a folder is a chart.
func ofChart(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "Chart.yaml"))
	return err == nil
}

func (a *Files) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return a.readFrom(path, f)
}

func (a *Files) readFrom(name string, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, mostBytes+1))
	if err != nil {
		return err
	}
	a.count++
	if len(text) > mostBytes {
		a.refuse("file-size", name, 0, fmt.Sprintf("has more than %d MiB", mostBytes>>20), "")
		return nil
	}
	a.parse(name, text)
	return nil
}

// helm finds what only Helm fills in: its objects and functions, and what stands at the beginning of a line.
var helm = regexp.MustCompile(`\{\{-?\s*(?:(?:include|toYaml|tpl)\s|[^}]*\.(?:Values|Release|Chart|Capabilities|Files)\b)|(?m:^\s*\{\{)`)

// parse reads the documents of one file. What comes behind a mistake is not read: nobody knows where it would begin.
func (a *Files) parse(name string, text []byte) {
	if at := helm.FindIndex(text); len(at) > 0 && !inBlock(text, at[0]) {
		a.refuse("helm-template", name, 1+bytes.Count(text[:at[0]], []byte("\n")), fmt.Sprintf("has %q", firstLine(text[at[0]:])), "")
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	seen := map[string]int{}
	for {
		node := &yaml.Node{}
		err := decoder.Decode(node)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, what := yamlError(err)
			a.refuse("yaml-syntax", name, line, what, "")
			return
		}
		if len(node.Content) > 0 && node.Content[0].ShortTag() != "!!null" {
			a.add(name, node.Content[0], seen)
		}
	}
}

// inBlock says that a place is inside of a query, whose templates are not Helm's: only what begins a line is looked at.
func inBlock(text []byte, at int) bool {
	line := text[bytes.LastIndexByte(text[:at], '\n')+1:]
	if !bytes.HasPrefix(bytes.TrimLeft(line, " \t\n"), []byte("{{")) || bytes.Contains([]byte(firstLine(text[at:])), []byte(".Values")) {
		return false
	}
	return bytes.HasPrefix(line, []byte("    ")) && bytes.Contains(text, []byte("kind: MetricTemplate"))
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return string(line[:min(len(line), 60)])
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// yamlError is where a document cannot be read, and why.
func yamlError(err error) (line int, what string) {
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(m[1])
	return line, m[2]
}

// add keeps a document, or the items of a list.
func (a *Files) add(file string, node *yaml.Node, seen map[string]int) {
	d := &document{file: file, node: node, apiVersion: word(node, "apiVersion"), kind: word(node, "kind")}
	if items := child(node, "items"); strings.HasSuffix(d.kind, "List") && items != nil && items.Kind == yaml.SequenceNode {
		for _, item := range items.Content {
			a.add(file, item, seen)
		}
		return
	}
	if !kept(d) {
		a.passed[cmp.Or(d.kind, "no object")]++
		return
	}
	r := &reader{}
	d.object, _ = r.value(node, 0).(map[string]any)
	if r.tooLarge {
		a.refuse("yaml-aliases", file, node.Line, fmt.Sprintf("has more than %d values, or is nested deeper than %d", mostValue, mostDepth), "")
		return
	}
	d.name, d.namespace = textAt(d.object, "metadata", "name"), textAt(d.object, "metadata", "namespace")
	for _, twice := range r.twice {
		a.findings = append(a.findings, d.finding("yaml-duplicate-key", twice.Line, twice.Column, "", fmt.Sprintf("%q is there twice", twice.Value), ""))
	}
	key := strings.Join([]string{d.apiVersion, d.kind, d.namespace, d.name}, "/")
	if line, ok := seen[key]; ok && d.name != "" {
		a.findings = append(a.findings, d.finding("object-twice", node.Line, node.Column, "metadata.name", fmt.Sprintf("is in line %d already", line), ""))
	}
	seen[key] = node.Line
	a.documents = append(a.documents, d)
}

// word is the text of a key of an object that has not been read yet.
func word(n *yaml.Node, name string) string {
	if v := child(n, name); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// kept says that a document can matter to a Canary: all others are counted, and their memory is given back.
func kept(d *document) bool {
	group, _, _ := strings.Cut(d.apiVersion, "/")
	switch {
	case group == "flagger.app":
		return true
	case strings.Contains(d.kind, "Route") || strings.Contains(d.kind, "Ingress") || d.kind == "VirtualService":
		return true
	}
	return slices.Contains([]string{"Deployment", "DaemonSet", "Service", "HorizontalPodAutoscaler", "ScaledObject", "Upstream", "ServiceMonitor", "PodMonitor"}, d.kind)
}

func (a *Files) refuse(rule, file string, line int, found, advice string) {
	d := &document{file: file}
	a.findings = append(a.findings, d.finding(rule, line, 0, "", found, advice))
}

// finding is one about a place of the document. Advice left out is that of the rule.
func (d *document) finding(name string, line, column int, field, found, advice string) Finding {
	rule := ruleOf(name)
	if advice == "" {
		advice = rule.Advice
	}
	return Finding{Rule: name, Level: rule.Level, File: filepath.ToSlash(d.file), Line: max(line, 1), Column: max(column, 1), Object: d.String(), Field: field,
		Found: strings.TrimSuffix(strings.Join(strings.Fields(found), " "), "."), Advice: advice}
}

// String names the object, for people.
func (d *document) String() string {
	if d.kind == "" {
		return ""
	}
	if d.namespace == "" {
		return d.kind + " " + d.name
	}
	return d.kind + " " + d.namespace + "/" + d.name
}

// known says that the document is of a kind of this API.
func (d *document) known() bool { return strings.HasPrefix(d.apiVersion, "flagger.app/") }

// textAt is a text within an object; empty: there is none.
func textAt(object map[string]any, path ...string) string {
	for _, key := range path[:len(path)-1] {
		object, _ = object[key].(map[string]any)
	}
	text, _ := object[path[len(path)-1]].(string)
	return text
}
