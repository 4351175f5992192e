// Package rollouttest is a world of plain values for the state machine to be proved in: two workloads
// that take time, proxies that take routes some seconds later, autoscalers, users who change their
// mind, an API whose objects have versions, and an operator that reads through caches and may crash
// after any write.
//
// The operator runs the real IntentOf, Ask and Decide in the shape of a controller's pass. After every
// write and every second the world checks the rules that are not negotiable; a broken one is an error
// of the run. Each protection of the pass can be left out, to see that the rules notice.
package rollouttest
