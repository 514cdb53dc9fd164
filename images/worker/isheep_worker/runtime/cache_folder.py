"""The folder for what later workers can use again: downloaded models and compiled code.

In a pod, the driver sets `XDG_CACHE_HOME` to the claim `compute.modelCache`. Without a claim, the
home folder is the pod's scratch volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return `$XDG_CACHE_HOME/isheep`, or `~/.cache/isheep`."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "isheep"
