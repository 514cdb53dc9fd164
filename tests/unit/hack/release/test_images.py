"""The images of a release: their build commands and the digests in their archives."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
import yaml
from release.commands import ReleaseError
from release.images import BASE, IMAGES, Host, archive_digest, build_command, check_images
from release.source import Source

ROOT = Path(__file__).resolve().parents[4]
SOURCE = Source("0.2.0", "c" * 40, 1_700_000_000)


def test_the_images_are_those_of_the_checkout_and_of_the_chart() -> None:
    values = yaml.safe_load((ROOT / "charts/isheep-operator/values.yaml").read_text("utf-8"))
    assert all((ROOT / image.dockerfile).is_file() for image in IMAGES)
    assert all({"tag", "digest"} <= values[image.value].keys() for image in IMAGES if image.value)


def test_the_build_is_that_of_the_commit() -> None:
    gpu = next(image for image in IMAGES if image.name == "isheep-worker-gpu")
    command = build_command(gpu, SOURCE, "localhost/isheep-worker-gpu:0.2.0", Host())
    assert {"--build-arg=DEVICE=gpu", "--timestamp=1700000000"} <= set(command)
    assert f"--label=org.opencontainers.image.revision={SOURCE.commit}" in command


def test_the_image_of_the_command_line_is_a_stage_of_the_operators_dockerfile() -> None:
    cli = next(image for image in IMAGES if image.name == "isheep-cli")
    assert "--target=cli" in build_command(cli, SOURCE, "localhost/isheep-cli:0.2.0", Host())
    assert " AS cli\n" in (ROOT / cli.dockerfile).read_text("utf-8")


def test_the_base_is_that_of_the_dockerfiles_and_can_be_another_one() -> None:
    for image in IMAGES:
        lines = (ROOT / image.dockerfile).read_text("utf-8").splitlines()
        froms = [line.split()[1] for line in lines if line.startswith("FROM ")]
        stages = {line.split()[3] for line in lines if line.startswith("FROM ") and " AS " in line}
        # buildah replaces the first one only.
        assert set(froms[1:]) <= {"scratch", *stages}
        assert froms[0] == BASE
    command = build_command(IMAGES[0], SOURCE, "tag", Host("localhost/base:1", Path("/ca.crt")))
    assert "--from=localhost/base:1" in command
    assert "--volume=/ca.crt:/run/certificates.crt:ro" in command
    assert "--build-arg=PIP_CERT=/run/certificates.crt" in command


def test_images_that_cannot_be_built_are_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    check_images(())
    with pytest.raises(ReleaseError, match="there is no image isheep; the images are isheep-op"):
        check_images(("isheep",))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ReleaseError, match="buildah is not installed"):
        check_images(("isheep-cli",))


def test_the_digest_is_that_of_the_manifest_in_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "image.oci.tar"
    content = json.dumps({"manifests": [{"digest": "sha256:abc"}]}).encode()
    with tarfile.open(archive, "w") as files:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    assert archive_digest(archive) == "sha256:abc"
