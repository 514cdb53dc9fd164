"""Which resources of a pod are GPUs, and how many GPUs a pod has.

The device plugins of NVIDIA and AMD name a whole GPU `<vendor>/gpu`. NVIDIA's plugin names a
slice of a GPU `nvidia.com/mig-<size>`; a slice counts as one GPU, because a process uses it as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_WHOLE, _SLICE = "/gpu", "/mig-"


def is_gpu(resource: str) -> bool:
    """Return whether the resource with this name is a GPU or a slice of one."""
    return resource.endswith(_WHOLE) or _SLICE in resource


def asks_for_gpus(quantities: Mapping[str, str]) -> bool:
    """Return whether limits or requests contain a GPU with a quantity above 0."""
    return any(is_gpu(name) and re.search("[1-9]", text) for name, text in quantities.items())


def gpus_by_resource(quantities: Mapping[str, object]) -> dict[str, int]:
    """Return the GPUs in limits or requests by the name of their resource, without zeros.

    Kubernetes accepts integers only for these resources; any other quantity counts as 0.
    """
    found = {name: str(quantity) for name, quantity in quantities.items() if is_gpu(name)}
    return {name: int(text) for name, text in found.items() if text.isdecimal() and int(text)}


def gpu_count(quantities: Mapping[str, str]) -> int:
    """Return the number of GPUs in limits or requests."""
    return sum(gpus_by_resource(quantities).values())
