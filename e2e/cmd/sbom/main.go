// Command sbom writes what a program of this repository is made of, as SPDX: see internal/sbom.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sluice-cd/sluice/e2e/internal/sbom"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run() error {
	var s sbom.Subject
	flag.StringVar(&s.File, "program", "", "program to list the modules of")
	flag.StringVar(&s.Version, "version", "unknown", "version of the program")
	flag.StringVar(&s.Base, "base", "", "image that the program is put into, by digest; empty: the one that the Dockerfile names for it")
	dockerfile := flag.String("dockerfile", "Dockerfile", "where bases are named")
	out := flag.String("out", "", "file to write")
	flag.Parse()
	// The time of the sources, as other tools that build the same twice are told it.
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	s.Created = time.Unix(seconds, 0)
	if s.Base == "" {
		bases, err := sbom.Bases(*dockerfile)
		if err != nil {
			return err
		}
		s.Base = bases[filepath.Base(s.File)]
	}
	// Of an empty base, or one of the machine's own, there is nothing to say.
	if s.Base == "scratch" || s.Base == "localhost/debian-base" {
		s.Base = ""
	}
	f, err := os.Create(*out)
	if err != nil {
		return err
	}
	if err := sbom.Write(f, s); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
