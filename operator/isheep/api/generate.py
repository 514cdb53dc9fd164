"""Writes what is generated from the models: `python -m isheep.api.generate`, in a checkout.

A test fails where a file of the checkout is not what this writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from isheep.api.crd import crd_yaml
from isheep.api.reference import reference_markdown

GENERATED: dict[str, Callable[[], str]] = {
    "crds/isheep.dev_selfalignmentruns.yaml": crd_yaml,
    "charts/isheep-operator/files/crd.yaml": crd_yaml,
    "docs/reference/selfalignmentrun.md": reference_markdown,
}


def write(root: Path) -> None:
    """Write the generated files of a checkout."""
    for name, generate in GENERATED.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generate(), encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
