package lint

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls a function for all numbers below n, as many at the same time as there are processors. A panic is the caller's.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	panicked := make(chan any, 1)
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			defer func() {
				if why := recover(); why != nil {
					select {
					case panicked <- why:
					default: // one is enough
					}
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
	select {
	case why := <-panicked:
		panic(why)
	default:
	}
}
