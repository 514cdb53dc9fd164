//go:build tools

// Package tools pins Helm of the tests: go.mod has its version, go.sum its
// hashes.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
