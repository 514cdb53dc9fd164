"""The images of a release as OCI archives, with their digests as values of the chart.

An archive can be copied into any registry (`skopeo copy --preserve-digests`), and its digest stays.
The file of values makes an installation use exactly these images.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from release.commands import ReleaseError, run
from release.source import Source

VALUES_FILE = "image-digests.yaml"
BASE = "debian:bookworm-slim"
"""The image from which the first stage of each Dockerfile starts."""
_MOUNTED = "/run/certificates.crt"


@dataclass(frozen=True)
class Image:
    """An image: its name, its Dockerfile, its build arguments and the stage of its Dockerfile.

    `value` is the object of the chart's values that names the image. `target` None is the last
    stage.
    """

    name: str
    dockerfile: str
    arguments: tuple[str, ...] = ()
    value: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class Host:
    """What the machine of the build gives to it.

    `base` is the image from which the first stages start; it can be one in buildah's storage.
    `certificates` is a bundle for the builds behind a proxy that signs TLS connections again.
    """

    base: str = BASE
    certificates: Path | None = None


IMAGES = (
    Image("isheep-operator", "images/operator/Dockerfile", value="image"),
    Image("isheep-worker-gpu", "images/worker/Dockerfile", ("DEVICE=gpu",), "workerImage"),
    Image("isheep-worker-cpu", "images/worker/Dockerfile", ("DEVICE=cpu",)),
    Image("isheep-cli", "images/operator/Dockerfile", target="cli"),
)


def archive_name(image: Image, source: Source) -> str:
    """Return the name of an image's archive."""
    return f"{image.name}-{source.version}.oci.tar"


def check_images(names: tuple[str, ...]) -> None:
    """Check that images can be built, before the release has any file.

    Raises:
        ReleaseError: An image has no such name, or buildah is not installed.
    """
    known = [image.name for image in IMAGES]
    if unknown := [name for name in names if name not in known]:
        raise ReleaseError(f"there is no image {unknown[0]}; the images are {', '.join(known)}")
    if names and shutil.which("buildah") is None:
        raise ReleaseError("buildah is not installed, and the images need it")


def make_images(
    root: Path, source: Source, folder: Path, names: tuple[str, ...], host: Host
) -> dict[str, str]:
    """Build images with buildah, and write their archives and the values with their digests.

    Returns:
        The SHA-256 of the manifest of the base image by its name; nothing without images.

    Raises:
        ReleaseError: buildah is not installed, or a build failed.
    """
    values: dict[str, dict[str, str]] = {}
    for image in (one for one in IMAGES if one.name in names):
        tag = f"localhost/{image.name}:{source.version}"
        archive = folder / archive_name(image, source)
        run([*build_command(image, source, tag, host), root])
        run(["buildah", "push", "--format=oci", tag, f"oci-archive:{archive}:{source.version}"])
        if image.value is not None:
            values[image.value] = {"tag": source.version, "digest": archive_digest(archive)}
    if values:
        (folder / VALUES_FILE).write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    if not names:
        return {}
    digest = run(["buildah", "inspect", "--type=image", "--format={{.FromImageDigest}}", host.base])
    return {host.base: digest.strip().removeprefix("sha256:")}


def build_command(image: Image, source: Source, tag: str, host: Host) -> list[str]:
    """Return the command that builds an image, without the folder of the checkout."""
    labels = {
        "org.opencontainers.image.version": source.version,
        "org.opencontainers.image.revision": source.commit,
    }
    return [
        "buildah",
        "bud",
        f"--file={image.dockerfile}",
        f"--tag={tag}",
        f"--timestamp={source.time}",
        f"--from={host.base}",
        *_trust(host.certificates),
        *(f"--build-arg={argument}" for argument in image.arguments),
        *([f"--target={image.target}"] if image.target else []),
        *(f"--label={name}={value}" for name, value in labels.items()),
    ]


def _trust(certificates: Path | None) -> list[str]:
    """Return the options that mount a bundle of certificates and name it to the Dockerfiles."""
    if certificates is None:
        return []
    names = ("PIP_CERT", "SSL_CERT_FILE")
    arguments = [f"--build-arg={name}={_MOUNTED}" for name in names]
    return [f"--volume={certificates}:{_MOUNTED}:ro", *arguments]


def archive_digest(archive: Path) -> str:
    """Return the digest of the manifest in an OCI archive, as a registry names the image."""
    with tarfile.open(archive) as files:
        index = files.extractfile("index.json")
        if index is None:
            raise ReleaseError(f"{archive} is no OCI archive: it has no index.json")
        (manifest,) = json.load(index)["manifests"]
    return str(manifest["digest"])
