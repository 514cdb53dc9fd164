"""Gives images to the node's containerd.

It gets an archive without those layers that it has unpacked already, because it asks for a
layer's content only where the unpacked one is missing. So after a change of code some
megabytes are copied, not gigabytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster import images, settings
from cluster.commands import ClusterError, run

# Its client repeats containerd's warnings, which its log has, about the machine's kernel.
QUIET = {**os.environ, "CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS": "1"}


def give(tag: str, ctr: Sequence[str]) -> None:
    """Give an image to containerd; `ctr` is the start of a command line of its client."""
    layers = images.layers(tag)
    unpacked = set(run([*ctr, "snapshots", "list"]).split())
    with tempfile.TemporaryDirectory(dir=settings.cache() / "images", prefix="give-") as scratch:
        layout = Path(scratch)
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for layer, chain in zip(layers, _chains(layers), strict=True):
            if chain in unpacked:
                # buildah takes a layer that lies there for written, whatever it holds.
                (blobs / layer.removeprefix("sha256:")).touch()
        images.push(tag, layout)
        _import(layout, [blob for blob in blobs.iterdir() if blob.stat().st_size], tag, ctr)
    _forget_untagged(ctr)


def _forget_untagged(ctr: Sequence[str]) -> None:
    """Let containerd free what earlier builds left: it keeps a second name for each of them."""
    lines = run([*ctr, "images", "list"]).splitlines()[1:]
    digests = {line.split()[0]: line.split()[2] for line in lines}
    tagged = {digest for name, digest in digests.items() if not name.startswith("sha256:")}
    if untagged := [name for name, digest in digests.items() if digest not in tagged]:
        run([*ctr, "images", "remove", *untagged])


def _chains(layers: Sequence[str]) -> Iterator[str]:
    """Return the names under which containerd keeps layers unpacked, each with those below it."""
    chain = ""
    for layer in layers:
        chain = (
            f"sha256:{hashlib.sha256(f'{chain} {layer}'.encode()).hexdigest()}" if chain else layer
        )
        yield chain


def _import(layout: Path, blobs: Sequence[Path], tag: str, ctr: Sequence[str]) -> None:
    (descriptor,) = json.loads((layout / "index.json").read_text())["manifests"]
    named = {**descriptor, "annotations": {"io.containerd.image.name": tag}}
    index = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
    command = [*ctr, "images", "import", "-"]
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=QUIET
        ) as importing,
        tarfile.open(fileobj=importing.stdin, mode="w|") as archive,
    ):
        archive.add(layout / "oci-layout", "oci-layout")
        header = tarfile.TarInfo("index.json")
        header.size = len(index)
        archive.addfile(header, io.BytesIO(index))
        for blob in blobs:
            archive.add(blob, str(blob.relative_to(layout)))
    if importing.returncode != 0:
        raise ClusterError(f"containerd did not take {tag}; see above")
