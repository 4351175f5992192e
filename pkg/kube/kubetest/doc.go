// Package kubetest gives tests a real kube-apiserver and etcd, and plays the
// few parts of a cluster that tests need and that are not there.
//
// A package that wants one calls Main from its TestMain: the two programs run
// from then on for all tests of the package, on free ports of this machine,
// and die with the test binary however it ends. Each test takes a namespace of
// its own (Namespace) and a client from Config.
//
// No controller-manager and no kubelet run. Workloads plays both for the
// Deployments or the DaemonSets of a namespace, with faults on demand, and
// Collector deletes what has lost its owner. They are clients like any other: what they do is
// seen through the API server or not at all.
//
// Crasher stands between a client and the server, counts what passes and cuts
// the line after a given write, as a crash would.
package kubetest
