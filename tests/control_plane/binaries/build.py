"""Build the missing programs of a group, and print the folder that contains the group.

Usage: build.py [control-plane | node | release | kueue | gitops | monitoring]. The default group,
control-plane, contains the programs of the control-plane tests. The group node also contains the
programs of a node. The group release contains the programs of `make release`. The group kueue
contains Kueue's manager and the folder `config` of its module, with its CRDs and its webhooks. The
group gitops contains `health`, our own program, which evaluates health checks as Argo CD does. The
group monitoring contains Prometheus and promtool.

Each program is built from the module that pins it (a folder next to this file) into
`$XDG_CACHE_HOME/isheep/binaries/<module>-<hash of its pins>`, so a new pin of one module
rebuilds no program of another module. The first build of all programs takes about eleven
minutes on two cores. The printed folder contains links to the programs. If
`$KUBEBUILDER_ASSETS` is set, its folder must contain etcd and kube-apiserver, and each
control-plane program that it contains is used instead of a built one.

If `$ISHEEP_TEST_KUBERNETES` is set, for example to 1.33, the programs of Kubernetes are those that
the folder `kubernetes-1.33` pins.

A lock lets all concurrent callers wait for one build. A program gets its name only when
its build is complete.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
KUBERNETES = "kubernetes"
VERSION_VARIABLE = "ISHEEP_TEST_KUBERNETES"


@dataclass(frozen=True)
class Program:
    """A program, or a folder of files: the folder of its module, next to this file, and its path.

    The path of a program is its Go package. The path of a folder of files is that of the Go module
    and of the folder in it.
    """

    module: str
    package: str
    files: bool = False

    @property
    def name(self) -> str:
        return self.package.rsplit("/", 1)[-1]


def _kubernetes(name: str) -> Program:
    return Program(KUBERNETES, f"k8s.io/kubernetes/cmd/{name}")


def _containerd(name: str) -> Program:
    return Program("containerd", f"github.com/containerd/containerd/v2/cmd/{name}")


def _cni(path: str) -> Program:
    return Program("cni", f"github.com/containernetworking/plugins/plugins/{path}")


CONTROL_PLANE = {
    "etcd": Program("etcd", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": _kubernetes("kube-apiserver"),
    "kube-controller-manager": _kubernetes("kube-controller-manager"),
    "kube-scheduler": _kubernetes("kube-scheduler"),
    "kubectl": _kubernetes("kubectl"),
    "helm": Program("helm", "helm.sh/helm/v4/cmd/helm"),
}
NODE = {
    program.name: program
    for program in (
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        _containerd("containerd"),
        _containerd("containerd-shim-runc-v2"),
        _containerd("ctr"),
        _cni("main/bridge"),
        _cni("main/loopback"),
        _cni("meta/portmap"),
        _cni("ipam/host-local"),
    )
}
RELEASE = {
    "helm": CONTROL_PLANE["helm"],
    "syft": Program("syft", "github.com/anchore/syft/cmd/syft"),
}
KUEUE = {
    "kueue": Program("kueue", "sigs.k8s.io/kueue/cmd/kueue"),
    "config": Program("kueue", "sigs.k8s.io/kueue/config", files=True),
}
GITOPS = {"health": Program("argocd", "isheep.dev/tests/argocd/health")}
MONITORING = {
    name: Program("prometheus", f"github.com/prometheus/prometheus/cmd/{name}")
    for name in ("prometheus", "promtool")
}
GROUPS = {
    "control-plane": CONTROL_PLANE,
    "node": {**CONTROL_PLANE, **NODE},
    "release": RELEASE,
    "kueue": KUEUE,
    "gitops": GITOPS,
    "monitoring": MONITORING,
}
TAGS = {"prometheus": "remove_all_sd"}
"""Build tags by module. Prometheus is built without the clients of clouds, which are most of it."""
ASSETS = tuple(name for name in CONTROL_PLANE if name != "helm")
REQUIRED_ASSETS = ("etcd", "kube-apiserver")


def main(arguments: list[str]) -> str:
    """Return the folder of a group's programs; exit with a message if one cannot be built."""
    group = arguments[0] if arguments else "control-plane"
    if group not in GROUPS or len(arguments) > 1:
        sys.stderr.write(f"usage: build.py [{' | '.join(GROUPS)}]\n")
        sys.exit(64)
    assets = given_assets()
    programs = {
        name: assets.get(name) or _built(name, chosen(program))
        for name, program in GROUPS[group].items()
    }
    return str(_folder_of_links(group, programs))


def chosen(program: Program) -> Program:
    """Return a program in the version of Kubernetes that the environment asks for."""
    version = os.environ.get(VERSION_VARIABLE)
    if program.module != KUBERNETES or not version:
        return program
    module = f"{KUBERNETES}-{version}"
    if not (HERE / module / "go.mod").is_file():
        known = sorted(path.parent.name for path in HERE.glob(f"{KUBERNETES}-*/go.mod"))
        versions = ", ".join(name.removeprefix(f"{KUBERNETES}-") for name in known)
        sys.exit(f"{VERSION_VARIABLE} is {version}: set it to one of {versions}, or unset it")
    return replace(program, module=module)


def given_assets() -> dict[str, Path]:
    """Return the programs of `$KUBEBUILDER_ASSETS` by name."""
    if not (setting := os.environ.get("KUBEBUILDER_ASSETS")):
        return {}
    folder = Path(setting).resolve()
    found = {name: folder / name for name in ASSETS if (folder / name).is_file()}
    if missing := [name for name in REQUIRED_ASSETS if name not in found]:
        sys.exit(
            f"KUBEBUILDER_ASSETS is {folder}, which does not contain {' and '.join(missing)}: "
            "add the programs to the folder, or unset the variable to build them"
        )
    return found


def cache() -> Path:
    """Return the folder for files that take long to build."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isheep"


def module_folder(module: str) -> Path:
    """Return the folder of a module's programs, named after its pins, flags and own programs."""
    digest = hashlib.sha256()
    for content in (
        (HERE / module / "go.mod").read_bytes(),
        (HERE / module / "go.sum").read_bytes(),
        linker_flags(module).encode(),
        *([TAGS[module].encode()] if module in TAGS else []),
        *(path.read_bytes() for path in sorted((HERE / module).glob("*/*.go"))),
    ):
        digest.update(f"{len(content)}\n".encode() + content)
    return cache() / "binaries" / f"{module}-{digest.hexdigest()[:16]}"


def linker_flags(module: str) -> str:
    """Return linker flags that set the programs' version; the default of Kubernetes is v0.0.0."""
    if module.partition("-")[0] == KUBERNETES:
        version, major, minor = _pinned(module, r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)")
        package = "k8s.io/component-base/version"
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    elif module == "helm":
        (version,) = _pinned(module, r"helm\.sh/helm/v4 (\S+)")
        package, values = "helm.sh/helm/v4/internal/version", {"version": version}
    elif module == "containerd":
        (version,) = _pinned(module, r"github\.com/containerd/containerd/v2 (\S+)")
        package, values = "github.com/containerd/containerd/v2/version", {"Version": version}
    elif module == "syft":
        (version,) = _pinned(module, r"github\.com/anchore/syft v(\S+)")
        package, values = "main", {"version": version}
    elif module == "kueue":
        (version,) = _pinned(module, r"sigs\.k8s\.io/kueue (\S+)")
        package, values = "sigs.k8s.io/kueue/pkg/version", {"GitVersion": version}
    else:
        package, values = "", {}
    return " ".join(["-s -w", *(f"-X {package}.{name}={value}" for name, value in values.items())])


def _pinned(module: str, pattern: str) -> tuple[str, ...]:
    found = re.search(pattern, (HERE / module / "go.mod").read_text())
    if found is None:
        sys.exit(f"{HERE / module / 'go.mod'} does not pin {module}: add a require line")
    return found.groups()


def _built(name: str, program: Program) -> Path:
    folder = module_folder(program.module)
    with _locked(folder):
        if not (folder / name).exists():
            _build(name, program, folder)
    return folder / name


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(name: str, program: Program, folder: Path) -> None:
    if shutil.which("go") is None:
        sys.exit(
            f"The tests need {name}, which is built with Go, but Go is not installed: "
            "install Go 1.21 or newer (Debian: apt-get install golang-go). For etcd and the "
            "programs of Kubernetes, KUBEBUILDER_ASSETS can name a folder that contains them"
        )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch) / name
        if program.files:
            _copy(program, target)
            target.replace(folder / name)
            return
        flags = ["-trimpath", "-ldflags", linker_flags(program.module), "-o", str(target)]
        if program.module in TAGS:
            flags = [*flags, "-tags", TAGS[program.module]]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        sys.stderr.write(f"building {name} into {folder}\n")
        built = subprocess.run(
            ["go", "build", *flags, program.package],
            cwd=HERE / program.module,
            env=environment,
            stdout=sys.stderr,
            check=False,
        )
        if built.returncode != 0:
            sys.exit(
                f"go build of {name} failed with exit code {built.returncode}; its output is above"
            )
        target.replace(folder / name)


def _copy(program: Program, target: Path) -> None:
    """Copy a folder of a module; the folders of Go's module cache cannot be written to."""
    module, _, path = program.package.rpartition("/")
    found = subprocess.run(
        ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module],
        cwd=HERE / program.module,
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    source = Path(found.stdout.strip()) / path
    if found.returncode != 0 or not found.stdout.strip() or not source.is_dir():
        sys.exit(f"Go has not downloaded {module}, or it has no folder {path}: run go mod download")
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for copied in (target, *target.rglob("*")):
        copied.chmod(0o755 if copied.is_dir() else 0o644)


def _folder_of_links(group: str, programs: dict[str, Path]) -> Path:
    """Return a folder of links to the programs; its name is a hash of the links."""
    content = "\n".join(f"{name} {path}" for name, path in sorted(programs.items()))
    folder = cache() / group / hashlib.sha256(content.encode()).hexdigest()[:16]
    with _locked(folder):
        for name, path in programs.items():
            link = folder / name
            if not link.is_symlink() or link.readlink() != path:
                link.unlink(missing_ok=True)
                link.symlink_to(path)
    return folder


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1:])}\n")
