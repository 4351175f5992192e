package cluster

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"text/template"
)

//go:embed config
var configFiles embed.FS

// values are what the templates under config/ may name.
type values struct {
	Layout
	User string
}

func (v values) Dir() string                      { return string(v.Layout) }
func (v values) Socket() string                   { return v.socket() }
func (v values) Kubeconfig(user string) string    { return v.kubeconfig(user) }
func (v values) CertFile(name string) string      { return v.cert(name) }
func (v values) KeyFile(name string) string       { return v.key(name) }
func (v values) Cert(name string) (string, error) { return readString(v.cert(name)) }
func (v values) Key(name string) (string, error)  { return readString(v.key(name)) }
func (values) PauseImage() string                 { return pauseImage }
func (v values) Group() string                    { return v.group() }
func (values) NodeName() string                   { return nodeName }
func (values) NodeIP() string                     { return nodeIP }
func (values) NodeRange() string                  { return nodeRange }
func (values) PodRange() string                   { return podRange }
func (values) DNSIP() string                      { return dnsIP }
func (values) Bridge() string                     { return bridge }
func (values) APIAddress() string                 { return apiAddress }
func (values) MeshMetrics() string                { return meshMetrics }
func (values) Targets() string                    { return targetsAddress }
func (values) GatewayImage() string               { return gatewayImage }

func readString(file string) (string, error) {
	raw, err := os.ReadFile(file)
	return string(raw), err
}

// render fills in one of the templates under config/ or manifests/.
func render(files embed.FS, name string, v values) ([]byte, error) {
	raw, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	parsed, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	}).Parse(string(raw))
	if err != nil {
		return nil, fmt.Errorf("template %q: %w", name, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("template %q: %w", name, err)
	}
	return out.Bytes(), nil
}

// writeConfigs renders every configuration file, and a kubeconfig for each
// identity that is a client of the API server.
func writeConfigs(l Layout) error {
	entries, err := configFiles.ReadDir("config")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == "kubeconfig" {
			continue
		}
		if err := writeConfig(l, entry.Name(), l.configPath(entry.Name()), ""); err != nil {
			return err
		}
	}
	for _, id := range identities() {
		if strings.HasPrefix(id.name, "apiserver") {
			continue
		}
		if err := writeConfig(l, "kubeconfig", l.kubeconfig(id.name), id.name); err != nil {
			return err
		}
	}
	return nil
}

// configPath is conf/, except for what containerd looks for by folder.
func (l Layout) configPath(name string) string {
	if strings.HasSuffix(name, ".conflist") {
		return l.path("cni", name)
	}
	return l.conf(name)
}

func writeConfig(l Layout, name, file, user string) error {
	raw, err := render(configFiles, "config/"+name, values{Layout: l, User: user})
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o600)
}
