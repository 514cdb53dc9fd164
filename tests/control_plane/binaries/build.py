"""Prints the folder that holds etcd and kube-apiserver, building what is missing there.

`$KUBEBUILDER_ASSETS` wins where it is set. Otherwise the two programs are built, once
a machine, from the versions pinned in go.mod into `$XDG_CACHE_HOME/isheep/control-plane/
<hash of the pins>`: about six minutes on two cores. A lock makes any number of
callers wait for one build, and a program appears under its name only when it is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINS = ("go.mod", "go.sum", "tools.go")
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}


def main() -> str:
    """Return the folder of the programs; exits with a message where they cannot be had."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return _checked_assets(Path(assets))
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in PACKAGES:
            if not (folder / name).exists():
                _build(name, folder)
    return str(folder)


def cache_folder() -> Path:
    """Return where the programs of these pins are kept."""
    digest = hashlib.sha256()
    for name in PINS:
        content = (HERE / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "isheep" / "control-plane" / digest.hexdigest()[:16]


def _checked_assets(folder: Path) -> str:
    missing = [name for name in PACKAGES if not (folder / name).is_file()]
    if missing:
        sys.exit(f"KUBEBUILDER_ASSETS is {folder}, which has no {' and no '.join(missing)}")
    return str(folder)


def _build(name: str, folder: Path) -> None:
    if shutil.which("go") is None:
        sys.exit(
            f"The control-plane tests need {name}, which is built with Go, and there is no Go: "
            "install Go 1.21 or newer (Debian: apt-get install golang-go), or set "
            "KUBEBUILDER_ASSETS to a folder that holds etcd and kube-apiserver"
        )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch) / name
        command = ["go", "build", "-trimpath", "-ldflags", _flags(), "-o", str(target)]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        sys.stderr.write(f"building {name} into {folder}\n")
        built = subprocess.run(
            [*command, PACKAGES[name]],
            cwd=HERE,
            env=environment,
            stdout=sys.stderr,
            check=False,
        )
        if built.returncode != 0:
            sys.exit(f"go build of {name} failed with exit code {built.returncode}; see above")
        target.replace(folder / name)


def _flags() -> str:
    """Return linker flags that tell the API server its version; without, it says v0.0.0."""
    found = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", (HERE / "go.mod").read_text())
    if found is None:
        sys.exit(f"{HERE / 'go.mod'} does not pin k8s.io/kubernetes")
    version = "k8s.io/component-base/version"
    values = {"gitVersion": found[1], "gitMajor": found[2], "gitMinor": found[3]}
    return " ".join(["-s -w", *(f"-X {version}.{name}={v}" for name, v in values.items())])


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
