"""The wheel, the source archive, the chart and the CRD bundle of a release."""

from __future__ import annotations

from pathlib import Path

from release.commands import run
from release.source import CHART, Source


def make_packages(root: Path, source: Source, folder: Path, *, uv: Path, helm: Path) -> None:
    """Write the packages into a folder.

    Args:
        root: The checkout.
        source: Its version and commit.
        folder: Where the files are written.
        uv: The program that builds the wheel without the network.
        helm: The program that packs the chart.

    Raises:
        ReleaseError: One of the programs failed.
    """
    reproducible = {"SOURCE_DATE_EPOCH": str(source.time)}
    run(
        [uv, "build", "--quiet", "--offline", "--no-build-isolation", "--out-dir", folder, root],
        environment={**reproducible, "VIRTUAL_ENV": str(uv.parents[1])},
    )
    (folder / ".gitignore").unlink(missing_ok=True)  # uv writes it
    run([helm, "package", root / CHART, "--destination", folder], environment=reproducible)
    bundle = "---\n".join(
        path.read_text("utf-8") for path in sorted((root / "crds").glob("*.yaml"))
    )
    (folder / f"isheep-crds-{source.version}.yaml").write_text(bundle, "utf-8")
