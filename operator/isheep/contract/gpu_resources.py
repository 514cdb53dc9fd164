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


def gpu_count(quantities: Mapping[str, str]) -> int:
    """Return the number of GPUs in limits or requests; quantities that are no integer count as 0.

    Kubernetes accepts integers only for these resources.
    """
    return sum(int(t) for name, t in quantities.items() if is_gpu(name) and t.isdecimal())
