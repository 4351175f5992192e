package workload

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

const (
	// TrackingAnnotation on a ConfigMap or Secret, with a value that begins with `disable`, has it shared by both
	// sides: it is not copied, and a change of it starts no rollout.
	TrackingAnnotation = "flagger.app/config-tracking"
	// ChecksumAnnotation on a copy is the checksum of what it was copied from.
	ChecksumAnnotation = "sluice.dev/checksum"
	// configsAnnotation on the primary's pods changes with the content of their configs, so that they are replaced
	// when nothing else has changed.
	configsAnnotation = "sluice.dev/configs"
)

// The kinds that are tracked.
const (
	configMap = "ConfigMap"
	secret    = "Secret"
)

// Config names a ConfigMap or Secret that pods refer to.
type Config struct {
	Kind, Name string
	Optional   bool // every pod starts without it
}

// Key is how statuses name it: `configmap/settings`.
// Every controller of this API does, so that a status can be taken over.
func (c Config) Key() string { return strings.ToLower(c.Kind) + "/" + c.Name }

// Configs are what is tracked for a target, by key. The zero value tracks nothing.
type Configs struct {
	Sums   map[string]string `json:"sums"`   // checksum of the content; one that does not exist has none
	Copies map[string]string `json:"copies"` // name that the primary's pods refer to instead
}

// ConfigsOf lists what the pods of a template refer to, each once, in order. Pull secrets, and what volume plug-ins
// take, are read by the cluster and not by the app: they are the same for both sides.
func ConfigsOf(t *corev1.PodTemplateSpec) []Config {
	var all []Config
	eachConfig(&t.Spec, func(c Config, _ *string) {
		i, found := slices.BinarySearchFunc(all, c, func(a, b Config) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
		})
		if !found {
			all = slices.Insert(all, i, c)
			return
		}
		all[i].Optional = all[i].Optional && c.Optional
	})
	return all
}

// Tracked says whether a config has a checksum and a copy of its own for the primary. Secrets of the types that
// Kubernetes makes or reads itself have not.
func Tracked(o Object) bool {
	if Shared(o) {
		return false
	}
	s, ok := o.(*corev1.Secret)
	if !ok {
		return true
	}
	switch s.Type {
	case "", corev1.SecretTypeOpaque, corev1.SecretTypeBasicAuth, corev1.SecretTypeSSHAuth, corev1.SecretTypeTLS:
		return true
	default:
		return false
	}
}

// Shared says by its annotations alone that a config is left to both sides.
func Shared(o metav1.Object) bool {
	return strings.HasPrefix(o.GetAnnotations()[TrackingAnnotation], "disable")
}

// Checksum is the first 8 bytes, in hex, of the SHA-256 of a config's content. Of one with nothing but text in it,
// which is most of them, it is the checksum that other controllers of this API compute.
func Checksum(o Object) (string, error) {
	var content any
	switch o := o.(type) {
	case *corev1.ConfigMap:
		content = o.Data
		if len(o.BinaryData) > 0 || o.Immutable != nil {
			content = map[string]any{"data": o.Data, "binaryData": o.BinaryData, "immutable": o.Immutable}
		}
	case *corev1.Secret:
		content = o.Data
		if o.Immutable != nil {
			content = map[string]any{"data": o.Data, "immutable": o.Immutable}
		}
	default:
		return "", fmt.Errorf("checksum of %T: it is no config", o)
	}
	return checksumOf(content)
}

// checksumOf is of JSON, whose maps have their keys sorted: the same content always has the same one.
func checksumOf(content any) (string, error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", content, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}

// CopyConfig renders a config under the name that the primary's pods refer to.
// The user's annotations stay behind: what they tell other tools, as to keep a config in step with a source, is not
// meant for the copy.
func (r LabelRules) CopyConfig(o Object, name, sum string, c *v1beta1.Canary) (runtime.ApplyConfiguration, error) {
	labels, note := labelsOf(o, r.IncludeLabelPrefixes), map[string]string{ChecksumAnnotation: sum}
	switch o := o.(type) {
	case *corev1.ConfigMap:
		made := corev1ac.ConfigMap(name, c.Namespace).WithOwnerReferences(ownerReference(c)).WithLabels(labels).
			WithAnnotations(note).WithData(o.Data).WithBinaryData(o.BinaryData)
		// An immutable copy whose content differs is deleted and made anew by the controller.
		made.Immutable = o.Immutable
		return made, nil
	case *corev1.Secret:
		made := corev1ac.Secret(name, c.Namespace).WithOwnerReferences(ownerReference(c)).WithLabels(labels).
			WithAnnotations(note).WithData(o.Data).WithType(cmp.Or(o.Type, corev1.SecretTypeOpaque))
		made.Immutable = o.Immutable
		return made, nil
	}
	return nil, fmt.Errorf("copy %T: it is no config", o)
}

// useCopies has a template refer to the copies.
func (c Configs) useCopies(t *corev1.PodTemplateSpec) error {
	eachConfig(&t.Spec, func(of Config, name *string) {
		// A config that does not exist has a copy's name, too: when it is made, that is a change like any other.
		if to, ok := c.Copies[of.Key()]; ok {
			*name = to
		}
	})
	if len(c.Sums) == 0 {
		return nil
	}
	sum, err := checksumOf(c.Sums)
	if err != nil {
		return err
	}
	t.Annotations = merge(t.Annotations, map[string]string{configsAnnotation: sum})
	return nil
}

// eachConfig visits every place of a pod that names a config.
func eachConfig(pod *corev1.PodSpec, visit func(Config, *string)) {
	at := func(kind string, name *string, optional *bool) {
		if *name != "" {
			visit(Config{Kind: kind, Name: *name, Optional: optional != nil && *optional}, name)
		}
	}
	for i := range pod.Volumes {
		eachOfVolume(&pod.Volumes[i].VolumeSource, at)
	}
	// Ephemeral containers are not part of a template.
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			eachOfContainer(&containers[i], at)
		}
	}
}

func eachOfVolume(v *corev1.VolumeSource, at func(string, *string, *bool)) {
	if s := v.ConfigMap; s != nil {
		at(configMap, &s.Name, s.Optional)
	}
	if s := v.Secret; s != nil {
		at(secret, &s.SecretName, s.Optional)
	}
	if v.Projected == nil {
		return
	}
	for i := range v.Projected.Sources {
		if s := v.Projected.Sources[i].ConfigMap; s != nil {
			at(configMap, &s.Name, s.Optional)
		}
		if s := v.Projected.Sources[i].Secret; s != nil {
			at(secret, &s.Name, s.Optional)
		}
	}
}

func eachOfContainer(c *corev1.Container, at func(string, *string, *bool)) {
	for i := range c.EnvFrom {
		if s := c.EnvFrom[i].ConfigMapRef; s != nil {
			at(configMap, &s.Name, s.Optional)
		}
		if s := c.EnvFrom[i].SecretRef; s != nil {
			at(secret, &s.Name, s.Optional)
		}
	}
	for i := range c.Env {
		from := c.Env[i].ValueFrom
		if from == nil {
			continue
		}
		if s := from.ConfigMapKeyRef; s != nil {
			at(configMap, &s.Name, s.Optional)
		}
		if s := from.SecretKeyRef; s != nil {
			at(secret, &s.Name, s.Optional)
		}
	}
}
