package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build compiles the operator as its image has it.
func build(ctx context.Context, root, dir string) (string, error) {
	file := filepath.Join(dir, "sluice")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags=grpcnotrace", "-trimpath", "-ldflags=-s -w -X main.version=bench", "-o", file, "./cmd/sluice")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := run(cmd)
	return file, err
}

// tool builds one of the programs that a control plane is made of, or finds it
// built. The first time takes minutes, so what the build says is shown.
func tool(ctx context.Context, root, name string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(root, "e2e", "build", "build"), name)
	cmd.Stderr = os.Stderr
	return run(cmd)
}

// module is the folder of a module that the operator depends on.
func module(ctx context.Context, root, path string) (string, error) {
	for _, args := range [][]string{{"mod", "download", path}, {"list", "-m", "-f", "{{.Dir}}", path}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = root
		out, err := run(cmd)
		if err != nil || args[0] == "list" {
			return out, err
		}
	}
	return "", nil
}

// run returns what a command prints; what it complains of is part of the error.
func run(cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	if cmd.Stderr == nil {
		cmd.Stderr = &complaint
	}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
