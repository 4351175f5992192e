package sbom

import (
	"os"
	"regexp"
)

var from = regexp.MustCompile(`(?m)^FROM \$\{BASE:-(\S+)\} AS (\S+)$`)

// Bases are the images that the stages of a Dockerfile are built on, by the names of the stages.
func Bases(dockerfile string) (map[string]string, error) {
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, m := range from.FindAllStringSubmatch(string(text), -1) {
		found[m[2]] = m[1]
	}
	return found, nil
}
