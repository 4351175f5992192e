// Package crds has the definitions of the API's kinds, for programs that look at manifests without a cluster.
package crds

import "embed"

// Files are the definitions, as they are installed.
//
//go:embed *.yaml
var Files embed.FS
