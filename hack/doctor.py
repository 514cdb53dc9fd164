"""Check this machine for `make demo`, `make test` and `make test-node`.

Usage: python3 hack/doctor.py GOAL...   with the goals demo, test and node

All of these targets run this program first, with the system's Python, so it uses the standard
library only. It installs nothing. It prints one line for each check and, at the end, one apt-get
command that installs all missing Debian packages.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

GIB = 1024**3
# The disk space for the venv with torch's libraries, the model and the stores; for tests also Go's
# build cache; for a node also two copies of the worker's image, in buildah and in containerd.
NEEDED_GIB = {"demo": 12, "test": 20, "node": 45}
STAMPS = {
    "demo": ".venv/worker-cpu.stamp",
    "test": ".venv/dev.stamp",
    "node": str(Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "isheep/images/storage"),
}
# The Debian packages that a node needs, by the program that the check searches for.
NODE_PACKAGES = {
    "buildah": "buildah",
    "busybox": "busybox-static",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "runc": "runc",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# The tests start this browser by its path. A snap of Chromium cannot read their folders.
CHROMIUM = Path("/usr/bin/chromium")
# The folders of administration programs, which may be missing from a user's PATH.
ADMINISTRATOR_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def cache() -> Path:
    """Return the folder for downloads and builds that several checkouts share."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "isheep"


def check_python() -> tuple[str | None, str]:
    found = platform.python_version()
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        return f"Python {found} is not 3.11 to 3.14: run make with PYTHON=python3.12", "python3"
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            return f"Python {found} has no {module} module", "python3-venv"
    return None, f"Python {found} with venv"


def check_libnuma() -> tuple[str | None, str]:
    if ctypes.util.find_library("numa") is None:
        return "libnuma.so.1 is missing (vLLM on a CPU needs it)", "libnuma1"
    return None, "libnuma1"


def check_cpu() -> tuple[str | None, str]:
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"this machine is {platform.machine()}, but vLLM's CPU build needs x86-64", ""
    info = Path("/proc/cpuinfo")
    if info.exists() and not re.search(r"^flags\s*:.*\bavx2\b", info.read_text(), re.MULTILINE):
        return "this processor has no AVX2, which vLLM's CPU build needs", ""
    return None, "x86-64 with AVX2"


def check_tools() -> tuple[str | None, str]:
    missing = [tool for tool in ("git", "make") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} must be installed", " ".join(missing)
    return None, "git and make"


def go_version() -> tuple[int, int] | None:
    """Return Go's version, or None if Go is not installed."""
    if shutil.which("go") is None:
        return None
    answer = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else None


def check_node() -> tuple[str | None, str]:
    path = f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATOR_PATH}"
    missing = {p: d for p, d in NODE_PACKAGES.items() if shutil.which(p, path=path) is None}
    if not KEYRING.exists():
        missing["Debian's keys"] = "debian-archive-keyring"
    if missing:
        return f"{', '.join(missing)} must be installed for a node", " ".join(missing.values())
    return None, ", ".join([*NODE_PACKAGES, "Debian's keys"])


def check_node_kernel() -> tuple[str | None, str]:
    if sys.platform != "linux":
        return "a node needs Linux", ""
    release = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if release < (5, 13):
        return f"Linux {platform.release()}: kube-proxy's nftables mode needs 5.13 or newer", ""
    return None, f"Linux {release[0]}.{release[1]}"


def check_go(goals: list[str]) -> tuple[str | None, str]:
    if os.environ.get("KUBEBUILDER_ASSETS") and "node" not in goals:
        return None, "KUBEBUILDER_ASSETS is set, so Go is not needed"
    version = go_version()
    if version is None:
        return "Go is missing (it builds the API server of the tests)", "golang-go"
    if version < (1, 21):
        return f"Go {version[0]}.{version[1]} is older than 1.21: install a newer Go", "golang-go"
    return None, f"Go {version[0]}.{version[1]}"


def check_disk(goal: str) -> tuple[str | None, str]:
    """Require free disk space only if the goal was not set up before."""
    if Path(STAMPS[goal]).expanduser().exists():
        return None, "disk: the goal was set up before"
    for folder in (Path.cwd(), cache()):
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        if free < NEEDED_GIB[goal] * GIB:
            return (
                f"{existing} has {free / GIB:.1f} GiB of free disk space, but "
                f"{NEEDED_GIB[goal]} GiB are needed: free some space, or set XDG_CACHE_HOME to a "
                "folder on a larger disk",
                "",
            )
    return None, f"{NEEDED_GIB[goal]} GiB of disk"


def check_chromium() -> tuple[str | None, str]:
    if not CHROMIUM.exists():
        return f"{CHROMIUM} is missing (tests look at the report in a browser)", "chromium"
    return None, "Chromium"


def main(goals: list[str]) -> int:
    """Run the checks of the given goals (demo, test, node); return 1 if something is missing."""
    unknown = set(goals) - set(NEEDED_GIB)
    if unknown or not goals:
        print(f"usage: doctor.py GOAL...   with the goals {', '.join(NEEDED_GIB)}", file=sys.stderr)
        return 64
    checks = [check_python(), check_cpu(), check_libnuma(), check_tools()]
    if "test" in goals or "node" in goals:
        checks.append(check_go(goals))
    if "test" in goals:
        checks.append(check_chromium())
    if "node" in goals:
        checks += [check_node(), check_node_kernel()]
    checks.append(check_disk(max(goals, key=NEEDED_GIB.__getitem__)))
    packages = []
    for problem, detail in checks:
        if problem is None:
            print(f"  ok       {detail}")
        else:
            print(f"  missing  {problem}")
            packages += detail.split()
    if packages:
        print(f"\nOn Debian or Ubuntu:  sudo apt-get install -y {' '.join(packages)}")
    return int(any(problem is not None for problem, _ in checks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
