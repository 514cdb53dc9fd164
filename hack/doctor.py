"""Say what this machine lacks for `make demo` and `make test`, and how to get it.

Run first by both, with whatever Python there is, so it uses the standard library
only and installs nothing: it prints one line a check and, at the end, the one
apt-get line that mends all that packages can mend.
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
# The venv with torch's libraries, the model, the stores; for tests also Go's build cache.
NEEDED_GIB = {"demo": 12, "test": 20}


def cache() -> Path:
    """Return the folder of what is slow to build, keyed by pins."""
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
        return "libnuma.so.1 is missing (vLLM on CPU needs it)", "libnuma1"
    return None, "libnuma1"


def check_cpu() -> tuple[str | None, str]:
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"this machine is {platform.machine()}; the CPU build of vLLM is for x86-64", ""
    info = Path("/proc/cpuinfo")
    if info.exists() and not re.search(r"^flags\s*:.*\bavx2\b", info.read_text(), re.MULTILINE):
        return "this processor has no AVX2; vLLM on CPU needs it", ""
    return None, "x86-64 with AVX2"


def check_tools() -> tuple[str | None, str]:
    missing = [tool for tool in ("git", "make") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} missing", " ".join(missing)
    return None, "git and make"


def go_version() -> tuple[int, int] | None:
    """Return Go's version, or None where there is no Go."""
    if shutil.which("go") is None:
        return None
    answer = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else None


def check_go() -> tuple[str | None, str]:
    if os.environ.get("KUBEBUILDER_ASSETS"):
        return None, "KUBEBUILDER_ASSETS is set: no Go needed"
    version = go_version()
    if version is None:
        return "Go is missing (the tests' API server is built with it)", "golang-go"
    if version < (1, 21):
        return f"Go {version[0]}.{version[1]} is older than 1.21: install a newer Go", "golang-go"
    return None, f"Go {version[0]}.{version[1]}"


def check_disk(goal: str) -> tuple[str | None, str]:
    """Ask for disk only where the goal has not been set up before."""
    if Path(".venv/dev.stamp" if goal == "test" else ".venv/worker-cpu.stamp").exists():
        return None, "disk: set up before"
    for folder in (Path.cwd(), cache()):
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        if free < NEEDED_GIB[goal] * GIB:
            return (
                f"{free / GIB:.1f} GiB free at {existing}, {NEEDED_GIB[goal]} GiB are needed: "
                "free some, or set XDG_CACHE_HOME to a larger disk",
                "",
            )
    return None, f"{NEEDED_GIB[goal]} GiB of disk"


def main(goals: list[str]) -> int:
    """Run the checks of the goals named (demo, test); return 1 where something is missing."""
    unknown = set(goals) - set(NEEDED_GIB)
    if unknown or not goals:
        print(f"usage: doctor.py {' '.join(NEEDED_GIB)}", file=sys.stderr)
        return 64
    checks = [check_python(), check_cpu(), check_libnuma(), check_tools()]
    if "test" in goals:
        checks.append(check_go())
    checks.append(check_disk("test" if "test" in goals else "demo"))
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
