// Argo CD's interpreter of health checks for the tests; see health/main.go.
module isheep.dev/tests/argocd

go 1.26.0

require (
	github.com/yuin/gopher-lua v1.1.2
	layeh.com/gopher-json v0.0.0-20190114024228-97fed8db8427
)
