// Package kube is the only writer to the API server.
//
// An Applier makes objects so: by server-side apply, as one field manager, and
// only where something is missing or not as it should be. What that is gets
// decided from what the cache holds and from an annotation on the object
// itself, never from what this process remembers, so that an operator which
// has just started and finds everything in place writes nothing.
//
// A cache lags. The Applier remembers which version each of its writes came
// back with until the cache has seen it, and says "changed" for as long, so
// that nothing is decided on a state that our own hands have already replaced.
//
// A CanaryWriter stores a Canary's status, and refuses to when the Canary has changed since it was read.
package kube

// FieldManager is the name that our fields are owned under.
const FieldManager = "sluice"
