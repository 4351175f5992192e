// Package cluster makes a real Kubernetes cluster of one node out of programs
// built from Go modules and Debian packages: etcd, the control plane, a kubelet
// with containerd below it, kube-proxy, CoreDNS, Istio's control plane and
// Prometheus. Pods run, Services balance, probes fail and metrics are scraped,
// so what a test sees is what a user would see.
//
// Everything lives in one directory and is reachable on addresses of a bridge
// of its own only. Nothing of it is remembered anywhere else: a process is ours
// when its environment names our directory, a container when its control group
// lies below ours. That is why Down needs no record of what Up did and takes
// down a cluster whose Up was killed half-way as well as a complete one.
package cluster
