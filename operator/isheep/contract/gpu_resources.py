"""Which resources of a pod are GPUs, and how many GPUs a pod has.

The device plugins of NVIDIA and AMD name a whole GPU `<vendor>/gpu`. NVIDIA's plugin names a
slice of a GPU `nvidia.com/mig-<size>`, and AMD's names a partition by its modes, such as
`amd.com/cpx_nps4`. If pods share a GPU in time, NVIDIA's plugin can add `.shared` to the name. Each
of these counts as one GPU, because a process uses it as one.

With dynamic resource allocation, a pod names the ResourceClaimTemplate of a claim instead. Only the
scheduler knows which devices the claim gets, so a claim counts as one GPU of the resource
`resource.k8s.io/<template>`, and a price is that of the whole claim.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

CLAIM_PREFIX = "resource.k8s.io/"
_GPU = re.compile(r"/(gpu(\.shared)?|mig-.+|[sdtqc]px_nps\d+)$")
WHOLE_GPU = "nvidia.com/gpu"
"""The resource of a GPU of one machine, on which no device plugin names the GPUs."""


def is_gpu(resource: str) -> bool:
    """Return whether the resource with this name is a GPU, or a part of one."""
    return _GPU.search(resource) is not None


def asks_for_gpus(quantities: Mapping[str, str]) -> bool:
    """Return whether limits or requests contain a GPU with a quantity above 0."""
    return any(is_gpu(name) and re.search("[1-9]", text) for name, text in quantities.items())


def gpus_by_resource(quantities: Mapping[str, object]) -> dict[str, int]:
    """Return the GPUs in limits or requests by the name of their resource, without zeros.

    Kubernetes accepts integers only for these resources; any other quantity counts as 0.
    """
    found = {name: str(quantity) for name, quantity in quantities.items() if is_gpu(name)}
    return {name: int(text) for name, text in found.items() if text.isdecimal() and int(text)}


def gpus_of_claims(templates: Iterable[str]) -> dict[str, int]:
    """Return the claims of a pod by the resource that stands for their ResourceClaimTemplate."""
    return dict(Counter(f"{CLAIM_PREFIX}{name}" for name in templates))


def gpu_count(quantities: Mapping[str, str]) -> int:
    """Return the number of GPUs in limits or requests."""
    return sum(gpus_by_resource(quantities).values())
