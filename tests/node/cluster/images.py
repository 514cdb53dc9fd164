"""Builds the images without Docker.

debootstrap creates the base image, which gets the tag that the Dockerfiles' FROM names.
buildah caches layers by their Dockerfile lines and copied files, so the layer of a worker's
packages (gigabytes) is rebuilt only after a change of the lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import settings
from cluster.commands import ClusterError, run, succeeds

SUITE = "bookworm"
RUN_ROOT = Path("/run/isheep-buildah")
BASE = "localhost/debian:bookworm-slim"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PAUSE = "localhost/isheep-pause:1"
OPERATOR = "localhost/isheep-operator:test"
CLI = "localhost/isheep-cli:test"
WORKER = "localhost/isheep-worker:test"


@dataclass(frozen=True)
class Build:
    """An image that the repository can build."""

    tag: str
    dockerfile: str
    arguments: tuple[str, ...] = ()
    target: str | None = None


# The commands that need a signature policy.
_WITH_POLICY = ("bud", "commit", "from", "push")
BUILDS = {
    "operator": Build(OPERATOR, "images/operator/Dockerfile"),
    "worker": Build(WORKER, "images/worker/Dockerfile", ("DEVICE=cpu",)),
    "cli": Build(CLI, "images/operator/Dockerfile", target="cli"),
}
INSTALLED = ("operator", "worker")
"""The images that an installation needs."""


def build(name: str, context: Path = settings.REPOSITORY, tag: str | None = None) -> str:
    """Build an image, with the cached layers of unchanged inputs, and return its tag."""
    wanted = BUILDS[name]
    with _locked():
        _ensure_base()
        _bud(
            [
                f"--file={context / wanted.dockerfile}",
                f"--tag={tag or wanted.tag}",
                *(f"--build-arg={argument}" for argument in wanted.arguments),
                *([f"--target={wanted.target}"] if wanted.target else []),
                *_trust(),
                str(context),
            ]
        )
        run([*_buildah("rm"), "--all"])
        _prune(wanted)
    return tag or wanted.tag


def _bud(arguments: list[str]) -> None:
    """Run `buildah bud`, and retry a known temporary failure of buildah.

    To be safe from the programs that it runs, buildah starts a sealed copy of itself in
    memory. On a busy machine the sealing sometimes fails. A retry uses the layers that are
    already built.
    """
    for attempts_left in (2, 1, 0):
        try:
            run([*_buildah("bud"), "--isolation=chroot", "--layers", "--pull-never", *arguments])
        except ClusterError as error:
            if "sealing memfd copy" not in str(error) or not attempts_left:
                raise
        else:
            return


def _prune(built: Build) -> None:
    """Remove the layers of earlier builds if the pins of the packages have changed."""
    pins = hashlib.sha256((settings.REPOSITORY / built.dockerfile).read_bytes())
    for lock in sorted((settings.REPOSITORY / "requirements").glob("*.txt")):
        pins.update(lock.read_bytes())
    record = settings.cache() / "images" / f"{built.tag.rpartition('/')[2]}.pins"
    if not record.exists() or record.read_text() != pins.hexdigest():
        run([*_buildah("rmi"), "--prune"])
        record.write_text(pins.hexdigest())


def ensure_pause() -> str:
    """Build the image of the process that keeps a pod's namespaces, and return its tag."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise ClusterError(
            "busybox is missing: `python3 hack/doctor.py node` prints how to install it"
        )
    with _locked():
        if not _exists(PAUSE):
            container = run([*_buildah("from"), "scratch"]).strip()
            run([*_buildah("copy"), container, busybox, "/bin/sleep"])
            run([*_buildah("config"), '--entrypoint=["/bin/sleep", "infinity"]', container])
            run([*_buildah("commit"), "--rm", container, PAUSE])
    return PAUSE


def config(tag: str) -> dict[str, Any]:
    """Return the configuration of an image, for example its user and entrypoint."""
    found: dict[str, Any] = _inspect(tag)["OCIv1"]["config"]
    return found


def layers(tag: str) -> list[str]:
    """Return the digests of an image's layers."""
    found: list[str] = _inspect(tag)["OCIv1"]["rootfs"]["diff_ids"]
    return found


def remove(tag: str) -> None:
    """Remove an image, but not the layers that other images share."""
    with _locked():
        run([*_buildah("rmi"), tag])


@contextmanager
def mounted(tag: str) -> Iterator[Path]:
    """Mount an image within the context, and return its root folder."""
    with _locked():
        container = run([*_buildah("from"), "--pull-never", tag]).strip()
        try:
            yield Path(run([*_buildah("mount"), container]).strip())
        finally:
            run([*_buildah("rm"), container])


def push(tag: str, layout: Path) -> None:
    """Write an image into an OCI layout, except for layers whose files exist there."""
    with _locked():
        run([*_buildah("push"), "--format=oci", tag, f"oci:{layout}:{tag}"])


def _ensure_base() -> None:
    if _exists(BASE):
        return
    settings.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.cache(), prefix="base-") as scratch:
        root = Path(scratch) / "root"
        # debootstrap's default mirror becomes the mirror of apt in the base image.
        run(["debootstrap", "--variant=minbase", SUITE, root])
        shutil.rmtree(root / "var/cache/apt")
        shutil.rmtree(root / "var/lib/apt/lists")
        container = run([*_buildah("from"), "scratch"]).strip()
        run([*_buildah("add"), container, root, "/"])
        run([*_buildah("commit"), "--rm", container, BASE])


def _trust() -> list[str]:
    """Return options that pass this machine's CA certificates; its proxy may re-sign TLS."""
    if not CERTIFICATES.exists():
        return []
    inside = "/run/certificates.crt"
    return [
        f"--volume={CERTIFICATES}:{inside}:ro",
        f"--build-arg=PIP_CERT={inside}",
        f"--build-arg=SSL_CERT_FILE={inside}",
    ]


def _inspect(tag: str) -> dict[str, Any]:
    with _locked():
        document: dict[str, Any] = json.loads(run([*_buildah("inspect"), "--type=image", tag]))
    return document


def _exists(tag: str) -> bool:
    return succeeds([*_buildah("inspect"), "--type=image", tag])


def _buildah(verb: str) -> list[str]:
    folder = settings.cache() / "images"
    return [
        "buildah", f"--root={folder / 'storage'}", f"--runroot={RUN_ROOT}",
        "--storage-driver=overlay", verb,
        *([f"--signature-policy={_policy(folder)}"] if verb in _WITH_POLICY else []),
    ]  # fmt: skip


def _policy(folder: Path) -> Path:
    """Return a policy that accepts all images, because all are built here and none is pulled."""
    policy = folder / "policy.json"
    if not policy.exists():
        folder.mkdir(parents=True, exist_ok=True)
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    return policy


@contextmanager
def _locked() -> Iterator[None]:
    folder = settings.cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # buildah does not unmount its own storage.
            overlay = folder / "storage" / "overlay"
            if overlay.is_mount():
                run(["umount", overlay])
            shutil.rmtree(RUN_ROOT, ignore_errors=True)
