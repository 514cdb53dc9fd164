"""Runs `isheep` after some of its constants were replaced, as told by $ISHEEP_TEST_PATCHES.

A JSON object maps `module:NAME` to a value: seconds for a timedelta, a list for a
tuple of them, and a number for STAGE_VERSIONS, by which every version is raised. They
are applied in the order given, and whoever imports a name later gets the new value.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import timedelta
from typing import Any


def main() -> None:
    for target, value in json.loads(os.environ.pop("ISHEEP_TEST_PATCHES", "{}")).items():
        module_name, _, name = target.partition(":")
        module = importlib.import_module(module_name)
        setattr(module, name, _like(getattr(module, name), value))
    from isheep.cli import main as isheep

    sys.argv[0] = "isheep"
    isheep()


def _like(old: Any, value: Any) -> Any:
    if isinstance(old, timedelta):
        return timedelta(seconds=value)
    if isinstance(old, tuple) and all(isinstance(one, timedelta) for one in old):
        return tuple(timedelta(seconds=one) for one in value)
    if isinstance(old, dict) and all(isinstance(one, int) for one in old.values()):
        return {key: version + value for key, version in old.items()}
    return value


if __name__ == "__main__":
    main()
