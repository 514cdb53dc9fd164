//go:build tools

// Package tools pins the programs that the control-plane tests run: their
// versions stand in go.mod, their hashes in go.sum.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
