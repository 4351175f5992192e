// Package upgrade holds Canaries in every phase and strategy, as earlier versions of the operator left them, and the
// test that the present one goes on from each: without a new rollout, without a restart, without a lost weight.
//
// It knows the operator as its users do: as a program with flags, by the objects that it writes. Nothing that is moved
// or renamed inside changes anything here.
//
//	testdata/NAME.yaml   what there was of one Canary, and what the phases and weights were from there on
//
// What an earlier version wrote is not written again. To add a case, name it in cases_test.go; files that are missing are
// recorded by
//
//	go test ./cmd/sluice/upgrade -run TestRecord -update [-operator PATH]
//
// with the program of the version that they are to be of; left out, that is the present one.
package upgrade
