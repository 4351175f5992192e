// Command pause does nothing until it is told to stop. It is the first process
// of every pod: the pod's network lasts as long as this one holds it.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
