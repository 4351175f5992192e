package main

import (
	"strings"

	"github.com/sluice-cd/sluice/pkg/view"
)

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// around is how many lines are shown before and after a difference.
const around = 3

// difference is how two texts differ, line by line: `-` only in the first, `+` only in the second, with some lines around.
func difference(from, to []string) []string {
	common := commonLengths(from, to)
	var all []string
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case i < len(from) && j < len(to) && from[i] == to[j]:
			all = append(all, " "+from[i])
			i, j = i+1, j+1
		case j == len(to) || i < len(from) && common[i+1][j] >= common[i][j+1]:
			all = append(all, "-"+from[i])
			i++
		default:
			all = append(all, "+"+to[j])
			j++
		}
	}
	return nearChanges(all)
}

// commonLengths are the lengths of the longest common subsequences of what is left of two texts.
func commonLengths(from, to []string) [][]int {
	common := make([][]int, len(from)+1)
	for i := range common {
		common[i] = make([]int, len(to)+1)
	}
	for i := len(from) - 1; i >= 0; i-- {
		for j := len(to) - 1; j >= 0; j-- {
			if from[i] == to[j] {
				common[i][j] = common[i+1][j+1] + 1
				continue
			}
			common[i][j] = max(common[i+1][j], common[i][j+1])
		}
	}
	return common
}

// nearChanges leaves out what is far from any change.
func nearChanges(all []string) (kept []string) {
	near := make([]bool, len(all))
	for i, l := range all {
		if l[0] == ' ' {
			continue
		}
		for n := max(i-around, 0); n <= min(i+around, len(all)-1); n++ {
			near[n] = true
		}
	}
	for i, l := range all {
		switch {
		case near[i]:
			kept = append(kept, l)
		case i > 0 && near[i-1]:
			kept = append(kept, "@ …")
		}
	}
	return kept
}

// indented is a line of a cluster's text, fit to be shown, with its indentation.
func indented(l string, most int) string {
	text := strings.TrimLeft(l, " \t")
	return strings.ReplaceAll(l[:len(l)-len(text)], "\t", "    ") + view.Clean(text, most)
}
