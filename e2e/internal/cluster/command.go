package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// run runs a command to its end; what it printed is in the error only.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, tail(out))
	}
	return nil
}

// output runs a command and returns what it prints, without the last newline;
// what it says of its progress goes to progress.
func output(cmd *exec.Cmd, progress io.Writer) (string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, progress
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return strings.TrimSpace(out.String()), nil
}

func runs(ctx context.Context, commands ...[]string) error {
	for _, argv := range commands {
		if err := run(exec.CommandContext(ctx, argv[0], argv[1:]...)); err != nil {
			return err
		}
	}
	return nil
}

// tail keeps the end of an output: that is where the reason is.
func tail(out []byte) string {
	const enough = 2000
	text := strings.TrimSpace(string(out))
	if len(text) > enough {
		return "…" + text[len(text)-enough:]
	}
	return text
}
