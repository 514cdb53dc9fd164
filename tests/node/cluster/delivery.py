"""Imports images into the node's containerd.

containerd reads the content of a layer only if the unpacked layer is missing. The imported
archive therefore leaves out the layers that containerd has already unpacked. After a change
of the code, an import copies some megabytes instead of gigabytes.
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

# The client would repeat the warnings about the kernel that containerd's log contains.
QUIET = {**os.environ, "CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS": "1"}


def import_image(tag: str, ctr: Sequence[str]) -> None:
    """Import an image into containerd.

    Args:
        tag: The tag of the image.
        ctr: The first words of a command line of containerd's client.
    """
    layers = images.layers(tag)
    unpacked = set(run([*ctr, "snapshots", "list"]).split())
    with tempfile.TemporaryDirectory(dir=settings.cache() / "images", prefix="import-") as scratch:
        layout = Path(scratch)
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for layer, chain in zip(layers, _chains(layers), strict=True):
            if chain in unpacked:
                # buildah does not write a layer whose file exists, and does not read the file.
                (blobs / layer.removeprefix("sha256:")).touch()
        images.push(tag, layout)
        _import(layout, [blob for blob in blobs.iterdir() if blob.stat().st_size], tag, ctr)
    _remove_untagged(ctr)


def _remove_untagged(ctr: Sequence[str]) -> None:
    """Remove the second names of earlier builds, so that containerd deletes their content."""
    lines = run([*ctr, "images", "list"]).splitlines()[1:]
    digests = {line.split()[0]: line.split()[2] for line in lines}
    tagged = {digest for name, digest in digests.items() if not name.startswith("sha256:")}
    if untagged := [name for name, digest in digests.items() if digest not in tagged]:
        run([*ctr, "images", "remove", *untagged])


def _chains(layers: Sequence[str]) -> Iterator[str]:
    """Yield containerd's name of each unpacked layer, a hash of the layer and all layers below."""
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
        raise ClusterError(f"containerd did not import {tag}; its output is above")
