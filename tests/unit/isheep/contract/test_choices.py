"""The lists of choices: each is named once, and the module imports no other package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SOURCES = ("operator", "images/worker", "benchmarks")


def literals(path: Path) -> Iterator[frozenset[str]]:
    """Yield the values of each `Literal[...]` in a file that lists at least two texts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal"):
            continue
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        values = [item.value for item in items if isinstance(item, ast.Constant)]
        if len(values) > 1:
            yield frozenset(map(str, values))


def test_each_list_of_choices_is_named_once() -> None:
    places: dict[frozenset[str], list[str]] = defaultdict(list)
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for values in literals(path):
                places[values].append(path.relative_to(ROOT).as_posix())
    repeated = {tuple(sorted(v)): files for v, files in places.items() if len(files) > 1}
    assert repeated == {}, "put the list into isheep.contract.choices and import it"


def test_the_module_imports_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import isheep.contract.choices; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(result.stdout.split()) <= {"isheep", *sys.stdlib_module_names}
