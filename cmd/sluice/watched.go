package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-cd/sluice/pkg/controller"
)

// File watched.go is how several operators share the Canaries of a cluster: each is told which are its own, and has a lease of
// its own.

// checkWatched refuses what would follow nothing, or what was not meant.
func (o *options) checkWatched() error {
	if o.namespace != "" && o.watchNamespaces != "" {
		return errors.New("-watch-namespaces: not beside -namespace, which names the only one")
	}
	if o.watchNamespaces != "" && len(list(o.watchNamespaces)) == 0 {
		return fmt.Errorf("-watch-namespaces: %q names no namespace", o.watchNamespaces)
	}
	for _, name := range list(o.watchNamespaces) {
		if len(validation.IsDNS1123Label(name)) > 0 {
			return fmt.Errorf("-watch-namespaces: %q is not the name of a namespace", name)
		}
	}
	if _, err := labels.Parse(o.watchLabels); err != nil {
		return fmt.Errorf("-watch-label-selector: %q is not a label selector such as team in (a,b): %w", o.watchLabels, err)
	}
	return nil
}

// watched is what is followed. The flags have been checked.
func (o *options) watched() controller.Watched {
	w := controller.Watched{Namespaces: list(o.watchNamespaces)}
	if o.namespace != "" {
		w.Namespaces = []string{o.namespace}
	}
	if by, err := labels.Parse(o.watchLabels); err == nil && !by.Empty() {
		w.Labels = by
	}
	return w
}

// lease is the name of this operator's lease: that of all operators of this API, and one for each that is told what to follow, by
// its flags as they are written. docs/decisions/0005-shared-lease-name.md.
func (o *options) lease() string {
	if o.watchNamespaces == "" && o.watchLabels == "" {
		return controller.LeaseName
	}
	sum := sha256.Sum256([]byte(o.watchLabels + "\n" + o.watchNamespaces))
	return controller.LeaseName + "-" + hex.EncodeToString(sum[:4])
}

// operator is what tells this one from others that follow Canaries by their labels; empty: it follows whatever is in its namespaces.
func (o *options) operator() string {
	if o.watchLabels == "" {
		return ""
	}
	return o.lease()
}
