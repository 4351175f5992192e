// Package page takes the commands out of a page of the documentation, with what the page says that they print.
package page

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is one block of commands.
type Block struct {
	Line     int    // of the page, at which the commands begin
	Commands string // as printed
	Output   string // that the page shows for them; empty: none
}

// Commands begin with one of these, or with an assignment. Another block without a language is what the one before prints.
var command = regexp.MustCompile(`^((kubectl|helm|make|buildah|export|curl|for)\b|[A-Z]+=)`)

// Blocks are those of a page, in its order. Blocks with a language are no commands.
func Blocks(text string) ([]Block, error) {
	var blocks []Block
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		indent, language, found := strings.Cut(lines[i], "```")
		if !found || strings.TrimSpace(indent) != "" {
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			lines[i] = strings.TrimPrefix(lines[i], indent)
		}
		if i == len(lines) {
			return nil, fmt.Errorf("the block at line %d has no end", begin)
		}
		body := strings.Join(lines[begin:i], "\n")
		typed, shown, _ := strings.Cut(body, "\n")
		switch typed, prompt := strings.CutPrefix(typed, "$ "); {
		case language != "":
		case prompt:
			blocks = append(blocks, Block{Line: begin + 1, Commands: typed, Output: shown})
		case command.MatchString(body):
			blocks = append(blocks, Block{Line: begin + 1, Commands: body})
		case len(blocks) > 0 && blocks[len(blocks)-1].Output == "":
			blocks[len(blocks)-1].Output = body
		}
	}
	return blocks, nil
}

// What is another one each time is compared by its form.
var masks = []struct {
	pattern *regexp.Regexp
	form    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "CLOCK"},
	{regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`), "ADDRESS"},
	{regexp.MustCompile(`\b(\d+(ms|d|h|m|s))+\b`), "LONG"},
	{regexp.MustCompile(`^\d+ (")`), "MANY $1"}, // of uniq -c
	{regexp.MustCompile(`\blast \d+(\.\d+)? `), "last VALUE "},
	{regexp.MustCompile(`\b\d+ checks\b`), "MANY checks"},
}

// form is a line without what is another one each time.
func form(line string) string {
	line = strings.Join(strings.Fields(line), " ")
	for _, m := range masks {
		line = m.pattern.ReplaceAllString(line, m.form)
	}
	return line
}

// Shows says whether what was printed has the lines of the page, in their order. Others may be between them: a page leaves out
// that something was created.
func Shows(printed, want string) error {
	got := strings.Split(printed, "\n")
	for line := range strings.Lines(want) {
		line = form(line)
		if line == "" || line == "…" {
			continue
		}
		at := 0
		for at < len(got) && form(got[at]) != line {
			at++
		}
		if at == len(got) {
			return fmt.Errorf("nothing like %q is printed, or not in its place", line)
		}
		got = got[at+1:]
	}
	return nil
}
