// Package systems asks real monitoring systems by the providers of pkg/metric: what they take a query for, and what they
// answer, is theirs to say. Each runs on this machine for one test, on a port and in a folder of its own. Where one is not
// installed its test is skipped, and fails where the environment says CI: `make systems` installs all of them.
package systems
