//go:build tools

// Package tools pins etcd of the tests: go.mod has its version, go.sum its
// hashes.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
