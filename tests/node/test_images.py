"""The contents of the images, and the tools that the images must not contain."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import images, settings
from cluster.clients import Clients
from support import end_of_pod, restricted_pod

OPERATOR_BYTES = 200 * 10**6
# Programs that an intruder could use to run commands or to install software.
TOOLS = re.compile(
    r"(sh|bash|dash|busybox|perl\S*|python\S*-config|apt\S*|dpkg\S*|pip\S*|uv|gcc\S*|g\+\+\S*|cc|ld)$"
)

# The files that .dockerignore includes, and .dockerignore.
CONTEXT = (
    ".dockerignore",
    "LICENSE",
    "README.md",
    "images",
    "operator",
    "pyproject.toml",
    "requirements",
)


@pytest.fixture
def operator_root(given_images: dict[str, str]) -> Iterator[Path]:
    """The file system of the operator's image; tests must not write to it."""
    with images.mounted(given_images["operator"]) as root:
        yield root


def test_the_operators_image_has_at_most_200_megabytes(operator_root: Path) -> None:
    sizes = [path.lstat().st_size for path in operator_root.rglob("*") if not path.is_dir()]
    assert sum(sizes) <= OPERATOR_BYTES


def test_the_operators_image_has_no_shell_no_compiler_and_no_package_manager(
    operator_root: Path,
) -> None:
    programs = [path.name for path in operator_root.rglob("bin/*")]
    assert "python3" in programs
    assert not [name for name in programs if TOOLS.match(name)]
    # The names and versions of Debian's packages are for scanners.
    assert [path.name for path in operator_root.glob("var/lib/dpkg/*")] == ["status.d"]
    packages = {path.name for path in operator_root.glob("var/lib/dpkg/status.d/*")}
    assert {"ca-certificates", "libc6", "libssl3", "python3.11-minimal"} <= packages


def test_no_file_in_the_operators_image_is_setuid_or_world_writable(operator_root: Path) -> None:
    files = [path for path in operator_root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert not [path for path in files if path.stat().st_mode & 0o6000]
    assert not [path for path in files if path.stat().st_mode & 0o002]


def test_the_operators_image_has_no_library_for_the_store_or_for_models(
    operator_root: Path,
) -> None:
    names = {path.name for path in operator_root.glob("opt/isheep/lib/*/site-packages/*")}
    assert "kopf" in names
    assert not names & {"boto3", "botocore", "s3transfer", "torch", "vllm"}


@pytest.mark.parametrize("name", ["operator", "worker"])
def test_images_run_as_an_unprivileged_user(name: str, given_images: dict[str, str]) -> None:
    config = images.config(given_images[name])
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"]
    assert not any("CERT" in variable for variable in config["Env"])


def test_a_change_of_the_code_does_not_change_the_layers_of_the_packages(
    given_images: dict[str, str], tmp_path: Path
) -> None:
    for name in CONTEXT:
        source = settings.REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name)
    with (tmp_path / "images/worker/isheep_worker/process/worker.py").open("a") as file:
        file.write("# changed\n")
    before = images.layers(given_images["worker"])
    tag = images.build("worker", tmp_path, "localhost/isheep-worker:changed")
    after = images.layers(tag)
    images.remove(tag)
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_the_operators_image_starts_and_reports_a_missing_configuration(
    clients: Clients, given_images: dict[str, str]
) -> None:
    """The image runs its code with a read-only root and without capabilities."""
    space = clients.within("images")
    space.make_namespace()
    space.apply(restricted_pod("operator", given_images["operator"]))
    assert end_of_pod(space, "operator")["exitCode"] in (64, 74)
    assert "/etc/isheep/operator.yaml" in space.kubectl("logs", "operator")
