package rollout

import (
	"fmt"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// People know versions by their images. Where those do not tell two revisions from each other, the revision is said as well.

// versions are what target and primary run, in as few words as tell them apart; empty: it is not known.
func versions(f *facts) (target, primary string) {
	target, primary = f.Target.Images, f.Primary.Images
	if target == "" || primary == "" || f.Target.Revision == f.Primary.Revision {
		return ShortImages(target), ShortImages(primary)
	}
	target, primary = imagesApart(target, primary)
	if target == primary {
		return target + " (" + f.Target.Revision + ")", primary + " (" + f.Primary.Revision + ")"
	}
	return target, primary
}

const betweenImages = ", "

// imagesApart are the images in which two sides differ; all of them where the containers are others.
func imagesApart(target, primary string) (targets, primaries string) {
	a, b := strings.Split(target, betweenImages), strings.Split(primary, betweenImages)
	if len(a) == len(b) && target != primary {
		var left, right []string
		for i := range a {
			if a[i] != b[i] {
				left, right = append(left, a[i]), append(right, b[i])
			}
		}
		target, primary = strings.Join(left, betweenImages), strings.Join(right, betweenImages)
	}
	if target != primary && ShortImages(target) == ShortImages(primary) {
		return target, primary // from another registry
	}
	return ShortImages(target), ShortImages(primary)
}

// ShortImages are images, as `IMAGE, IMAGE`, without their registry and path, and with no more of a digest than people compare.
func ShortImages(images string) string {
	const digits = 12
	all := strings.Split(images, betweenImages)
	for i, image := range all {
		name, digest, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], "@")
		if digest != "" && !strings.Contains(name, ":") {
			kind, hex, _ := strings.Cut(digest, ":")
			name += "@" + kind + ":" + hex[:min(len(hex), digits)]
		}
		all[i] = name
	}
	return strings.Join(all, betweenImages)
}

// replaces says which version is to take the place of which; empty: it is not known.
func replaces(t *transition) string {
	target, primary := versions(&t.facts)
	if target == "" || primary == "" {
		return ""
	}
	return target + " is to replace " + primary
}

// serves says which version serves at the end of a rollout, and what has become of the other one; empty: it is not known.
func serves(t *transition) string {
	target, primary := versions(&t.facts)
	switch {
	case t.next.CanaryWeight > 0 && t.Revision == t.next.LastAppliedSpec && target != "":
		return target + " serves all requests"
	// A primary that runs something else has pods of both, or none.
	case t.next.CanaryWeight > 0 || primary == "" || t.Primary.Revision != t.next.LastPromotedSpec:
		return ""
	case t.next.Phase != v1beta1.PhaseFailed || target == "" || t.Revision != t.next.LastAppliedSpec:
		return primary + " serves all requests"
	case failedBefore(t.Status, t.Revision) != nil:
		return fmt.Sprintf("%s is not tried again; %s serves all requests", target, primary)
	}
	return fmt.Sprintf("%s was rolled back; %s serves all requests", target, primary)
}

// sentence is a text at the end of a message that ends in a full stop; empty stays empty.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return " " + text + "."
}

// recordImage notes, for people, the images that a rollout is about.
func recordImage(t *transition) {
	if t.Target.Images != "" && (t.Revision == t.next.LastAppliedSpec || t.next.Phase == v1beta1.PhaseWaiting) {
		t.next.Image = cutText(ShortImages(t.Target.Images), mostImages)
	}
}

// mostImages is how many bytes of images are kept.
const mostImages = 256
