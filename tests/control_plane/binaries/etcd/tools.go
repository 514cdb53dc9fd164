//go:build tools

// Package tools pins etcd of the tests: its version stands in go.mod, its
// hashes in go.sum.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
