// Package simulate is a world of plain values that the state machine runs in: two workloads whose pods take time,
// proxies that take routes some seconds later, autoscalers, users who change their mind, and an API whose objects have
// versions. There is no cluster, no clock and no network: a second passes when it is told to, and a run of one seed is
// the same each time.
//
// An Operator runs the real IntentOf, Ask and Decide against a World, in the shape of the controller's pass: it reads
// through caches, and may crash after any write. After each write and each second the world checks the rules that are
// not negotiable; what breaks one is in World.Violations.
//
// There are three ways in:
//
//	Play     a rollout from a script of plain words, and what people would see of it
//	Random   a run of one seed with faults, one Protection left out or none
//	New      a World by itself: Release, Scale, Suspend, ChangePlan and Delete are what users do to it, SetForeign what
//	         another controller leaves behind, Operator.Second and Operator.Settle let time pass
package simulate
