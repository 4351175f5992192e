// Package sbom lists what a program of Go is made of, as SPDX: its modules, as its own build information has them, Go's
// standard library, and the image that it is put into.
//
// The same program gives the same bytes, so that whoever builds it again can compare.
package sbom

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// Subject is a program and where it goes.
type Subject struct {
	File    string    // a program of Go
	Version string    // of it
	Base    string    // image that it is put into, by digest; empty: none is said
	Created time.Time // of the document: of the sources, so that it says the same each time
}

const none = "NOASSERTION"

// Write writes the document, SPDX 2.3 in JSON.
func Write(to io.Writer, s Subject) error {
	doc, err := document(s)
	if err != nil {
		return err
	}
	return spdxjson.Write(doc, to, spdxjson.Indent("  "))
}

func document(s Subject) (*spdx.Document, error) {
	info, err := buildinfo.ReadFile(s.File)
	if err != nil {
		return nil, fmt.Errorf("read what %s is made of: %w", s.File, err)
	}
	content, err := os.ReadFile(s.File)
	if err != nil {
		return nil, err
	}
	sum, name := sha256.Sum256(content), filepath.Base(s.File)
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      name,
		DocumentNamespace: "https://github.com/sluice-cd/sluice/sbom/" + name + "-" + hex.EncodeToString(sum[:]),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "github.com/sluice-cd/sluice/e2e/cmd/sbom"}},
			Created:  s.Created.UTC().Format(time.RFC3339),
		},
	}
	program := pack(name, s.Version, "pkg:golang/"+info.Main.Path+"@"+s.Version)
	program.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: hex.EncodeToString(sum[:])}}
	program.PrimaryPackagePurpose = "APPLICATION"
	doc.Packages = []*spdx.Package{program}
	relate(doc, "DOCUMENT", "DESCRIBES", program)
	std := pack("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "pkg:golang/stdlib@"+strings.TrimPrefix(info.GoVersion, "go"))
	for _, p := range append([]*spdx.Package{std}, modules(info)...) {
		doc.Packages = append(doc.Packages, p)
		relate(doc, program.PackageSPDXIdentifier, "CONTAINS", p)
	}
	if s.Base != "" {
		base, err := image(s.Base)
		if err != nil {
			return nil, err
		}
		doc.Packages = append(doc.Packages, base)
		relate(doc, program.PackageSPDXIdentifier, "DEPENDS_ON", base)
	}
	return doc, nil
}

// modules are what was linked. One that is replaced is named by what took its place.
func modules(info *debug.BuildInfo) []*spdx.Package {
	var all []*spdx.Package
	for _, m := range info.Deps {
		from := m
		if m.Replace != nil {
			from = m.Replace
		}
		p := pack(from.Path, from.Version, "pkg:golang/"+from.Path+"@"+from.Version)
		p.PackageDownloadLocation = none
		if from.Sum != "" {
			p.PackageComment = "go.sum " + from.Sum
		}
		all = append(all, p)
	}
	return all
}

// image is a base that is named by its digest: any other name would mean another image tomorrow.
func image(name string) (*spdx.Package, error) {
	tagged, digest, found := strings.Cut(name, "@sha256:")
	if !found {
		return nil, fmt.Errorf("base %q is not named by digest", name)
	}
	repository, tag, _ := strings.Cut(tagged, ":")
	p := pack(repository, cmp.Or(tag, "sha256:"+digest), fmt.Sprintf("pkg:oci/%s@sha256%%3A%s?repository_url=%s", repository[strings.LastIndex(repository, "/")+1:], digest, repository))
	p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: digest}}
	p.PrimaryPackagePurpose = "CONTAINER"
	return p, nil
}

var notInIdentifiers = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

func pack(name, version, purl string) *spdx.Package {
	return &spdx.Package{
		PackageName: name, PackageVersion: version,
		PackageSPDXIdentifier:   common.ElementID("Package-" + notInIdentifiers.ReplaceAllString(name+"-"+version, "-")),
		PackageDownloadLocation: none, PackageLicenseConcluded: none, PackageLicenseDeclared: none, PackageCopyrightText: none,
		PackageExternalReferences: []*spdx.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: "purl", Locator: purl}},
	}
}

func relate(doc *spdx.Document, from common.ElementID, how string, to *spdx.Package) {
	doc.Relationships = append(doc.Relationships, &spdx.Relationship{
		RefA: common.MakeDocElementID("", string(from)), Relationship: how, RefB: common.MakeDocElementID("", string(to.PackageSPDXIdentifier)),
	})
}
