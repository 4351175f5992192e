// Package bench measures what Sluice costs: the time, the processor, the memory
// and the requests to the API server that many Canaries take, at rest and when
// all roll out at once.
//
// The API server, the controllers and the scheduler are real, and the operator is
// the real program; only the nodes are not: kwok says of every pod at once that it
// runs, so that what is measured is the control plane and not the start of pods.
//
//	Plane    etcd, the API server, its controllers and kwok, on ports of their own
//	Operator the program that is measured, as a process of this machine
//	Fleet    the Canaries and what belongs to them
//	Audit    what the API server noted: who asked for what, and when
//	Bench    the order in which all this happens, and Figures, what comes of it
//
// Nothing is asserted here. A time on a busy machine says little, so each part of
// the report names the load that it was measured under.
package bench
