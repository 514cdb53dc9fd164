"""Write the files that are generated from the models: `python -m isheep.api.generate`.

Run it in the root of a checkout. A test fails if a file of the checkout is not up to date.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from isheep.api.generation.conditions_page import conditions_markdown
from isheep.api.generation.crd import crd_yaml
from isheep.api.generation.reason_pages import FOLDER, reason_pages
from isheep.api.generation.reference import reference_markdown

GENERATED: dict[str, Callable[[], str]] = {
    "crds/isheep.dev_selfalignmentruns.yaml": crd_yaml,
    "charts/isheep-operator/files/crd.yaml": crd_yaml,
    "docs/reference/selfalignmentrun.md": reference_markdown,
    "docs/reference/conditions.md": conditions_markdown,
}


def generated() -> dict[str, str]:
    """Return the text of each generated file by its path in the checkout."""
    return {**{name: generate() for name, generate in GENERATED.items()}, **reason_pages()}


def write(root: Path) -> None:
    """Write the generated files of a checkout, and remove the pages of former reasons."""
    for page in (root / FOLDER).glob("*.md"):
        page.unlink()
    for name, text in generated().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
