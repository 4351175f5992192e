package kube

import (
	"context"
)

func (a *Applier) adopt(ctx context.Context, t *task) error { return nil }
