//go:build tools

// Package tools pins Helm of the tests: its version stands in go.mod, its
// hashes in go.sum.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
