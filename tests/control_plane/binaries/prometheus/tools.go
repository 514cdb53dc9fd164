//go:build tools

// Package tools pins Prometheus, which loads the chart's alerts and scrapes an operator: go.mod has
// its version, go.sum its hashes.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
