"""Run `isheep` after $ISHEEP_TEST_PATCHES has replaced some of its constants.

The variable holds a JSON object that maps `module:NAME` to a value: seconds for a
timedelta, a list of seconds for a tuple of timedeltas, and for STAGE_VERSIONS a number
that is added to every version. The patches are applied in their order. A module that
imports a name after its patch gets the new value.
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
        setattr(module, name, _converted(getattr(module, name), value))
    from isheep.cli import main as isheep

    sys.argv[0] = "isheep"
    isheep()


def _converted(old: Any, value: Any) -> Any:
    """Return a patch's value in the type of the value that it replaces."""
    if isinstance(old, timedelta):
        return timedelta(seconds=value)
    if isinstance(old, tuple) and all(isinstance(one, timedelta) for one in old):
        return tuple(timedelta(seconds=one) for one in value)
    if isinstance(old, dict) and all(isinstance(one, int) for one in old.values()):
        return {key: version + value for key, version in old.items()}
    return value


if __name__ == "__main__":
    main()
