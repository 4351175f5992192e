// Package console tries the console's page in a browser: Debian's Chromium, the server of pkg/console and a real kube-apiserver. What
// the operator does is played by the tests, which write the statuses of rollouts and answer actions.
package console
