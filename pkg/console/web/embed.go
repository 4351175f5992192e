// Package web is the page, as it is built from the sources beside it.
package web

import "embed"

// Dist are the page's files, in the folder dist.
//
//go:embed all:dist
var Dist embed.FS
