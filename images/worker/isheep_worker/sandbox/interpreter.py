"""The command of a Python interpreter without site packages, which runs a function of this package.

The interpreter has only the standard library in its path, so neither an installed package nor a
file of a user runs before the process gives up its rights. It starts in 50 ms.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

# The folder of this package is in the path only while its modules are imported.
_START = (
    "import sys; root = sys.argv.pop(1); sys.path.append(root); "
    "from isheep_worker.sandbox.{module} import main; sys.path.remove(root); main()"
)
_ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT: Mapping[str, str] = {"PYTHONHASHSEED": "0"}
"""The variables of such a process. With this one, sets have the same order each time."""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls `main()` of a module of this package."""
    start = _START.format(module=module)
    return [sys.executable, "-s", "-S", "-P", "-c", start, str(_ROOT), *arguments]
