"""`python -m cluster up | down | images`: the Makefile's way to the cluster.

`images` builds the operator's and the worker's image and gives them to a cluster that is up.
"""

from __future__ import annotations

import sys
import time

from cluster import delivery, images, lifecycle, node, settings
from cluster.commands import ClusterError


def main(arguments: list[str]) -> int:
    """Carry a verb out; errors of the machine are one message, not a traceback."""
    verbs = {"up": _up, "down": _down, "images": _images}
    if len(arguments) != 1 or arguments[0] not in verbs:
        sys.stderr.write(f"usage: python -m cluster {' | '.join(verbs)}\n")
        return 64
    started = time.monotonic()
    try:
        verbs[arguments[0]]()
    except ClusterError as error:
        sys.stderr.write(f"cluster {arguments[0]}: {error}\n")
        return 1
    sys.stderr.write(f"done in {time.monotonic() - started:.0f} s\n")
    return 0


def _up() -> None:
    """Print what a shell needs to use the cluster: `eval` takes it."""
    kubeconfig = lifecycle.up()
    binaries = lifecycle.build_binaries()
    sys.stdout.write(f"export KUBECONFIG={kubeconfig}\nexport PATH={binaries}:$PATH\n")


def _down() -> None:
    lifecycle.down()


def _images() -> None:
    lifecycle.check_root()
    if not settings.KUBECONFIG.exists():
        raise ClusterError("no cluster is up: `make cluster` brings one up")
    binaries = lifecycle.build_binaries()
    for name in images.BUILDS:
        tag = images.build(name)
        delivery.give(tag, node.ctr(binaries))
        sys.stdout.write(f"{tag}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
