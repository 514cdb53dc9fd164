"""`python -m cluster up | down | images | example MODEL`: the Makefile's commands for the cluster.

`images` builds the operator's and the worker's image and imports both into a running cluster.
`example` prepares the README's run on the cluster, with the model of a folder in a bucket.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cluster import delivery, example, images, lifecycle, node, settings
from cluster.clients import Clients
from cluster.commands import ClusterError


def main(arguments: list[str]) -> int:
    """Run a command and return the exit code; a ClusterError is a message, not a traceback."""
    verbs = {"up": _up, "down": _down, "images": _images, "example": _example}
    verb, *rest = arguments or [""]
    if verb not in verbs or len(rest) != (verb == "example"):
        sys.stderr.write("usage: python -m cluster up | down | images | example MODEL\n")
        return 64
    started = time.monotonic()
    try:
        verbs[verb](*rest)
    except ClusterError as error:
        sys.stderr.write(f"cluster {verb}: {error}\n")
        return 1
    sys.stderr.write(f"done in {time.monotonic() - started:.0f} s\n")
    return 0


def _up() -> None:
    """Start the cluster, and print the shell variables for its use; `eval` sets them."""
    kubeconfig = lifecycle.up()
    binaries = lifecycle.build_binaries()
    sys.stdout.write(f"export KUBECONFIG={kubeconfig}\nexport PATH={binaries}:$PATH\n")


def _down() -> None:
    lifecycle.down()


def _images() -> None:
    binaries = _binaries_of_running_cluster()
    for name in images.INSTALLED:
        tag = images.build(name)
        delivery.import_image(tag, node.ctr(binaries))
        sys.stdout.write(f"{tag}\n")


def _example(model: str) -> None:
    binaries = _binaries_of_running_cluster()
    example.prepare(Clients(binaries, example.NAMESPACE), Path(model))
    sys.stdout.write(f"\nNow, in this folder:\n\n{example.lines(binaries)}")


def _binaries_of_running_cluster() -> Path:
    lifecycle.check_root()
    if not settings.KUBECONFIG.exists():
        raise ClusterError("no cluster is running: start one with `make cluster`")
    return lifecycle.build_binaries()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
