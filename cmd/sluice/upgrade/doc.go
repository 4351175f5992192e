// Package upgrade holds Canaries in every phase and strategy, as an earlier version of the operator and the present one
// leave them, and the test that each version goes on from what the other one has left: without a new rollout, without a
// restart, without a lost weight, step or check. So a cluster may be upgraded at any moment, and go back.
//
// It knows the operator as its users do: as a program with flags, by the objects that it writes. Nothing that is moved
// or renamed inside changes anything here. The earlier program is built from the history of the repository, at the commit
// that version_test.go names; a clone that does not reach back to it fails, unless -earlier names a program.
//
//	testdata/earlier/NAME.yaml   what there was of one Canary, and what its states were from there on, by the earlier program
//	testdata/present/NAME.yaml   the same by the present one
//
// What the earlier version wrote is not written again. What the present one writes is recorded anew when its status has
// other fields, or when it goes on in another way, which is then to be seen in the difference. To add a case, name it in
// cases_test.go. Files that are missing are recorded, each by its own program, by
//
//	go test ./cmd/sluice/upgrade -update [-earlier PATH] [-present PATH]
package upgrade
