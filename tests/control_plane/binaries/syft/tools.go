//go:build tools

// Package tools pins syft, which lists the packages of a release.
package tools

import _ "github.com/anchore/syft/cmd/syft"
