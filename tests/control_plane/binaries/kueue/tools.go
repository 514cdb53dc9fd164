//go:build tools

// Package tools pins Kueue of the tests: go.mod has its version, go.sum its
// hashes.
package tools

import (
	_ "sigs.k8s.io/kueue/cmd/kueue"
)
