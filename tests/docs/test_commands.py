"""The commands of the README, the tutorial and the how-to guides work as they are printed.

All pages share one folder, as the files of a reader do, and one run: the tutorial's, on the tiny
chat model. `TYPED` lists everything that a reader here types in place of the printed text, and
`QUICKSTART` the fields of the demo's run that are different: the engine and the counts.
`test_tutorial.py` runs the tutorial with the model and the counts that it has in print.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sysconfig
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep.api.reading.loader import load_run

from ..e2e_local.command import TINY_SPEC
from ..e2e_local.recipes_on_smollm2 import merged
from ..e2e_local.tiny_chat_model import tiny_chat_model
from ..unit.isheep_worker.browser import Page, chromium
from .blocks import Block, Reader, blocks

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/how-to/*.md"))]
TUTORIAL = "docs/tutorial.md"
PAGES = ("README.md", TUTORIAL, "docs/security.md", *GUIDES)
BLOCKS = {page: list(blocks(ROOT / page, page)) for page in PAGES}
COMMANDS = {
    page: [block for block in found if not block.language] for page, found in BLOCKS.items()
}
NOT_RUN = {
    "README.md": 2,
    TUTORIAL: 1,
    "docs/how-to/back-up-and-restore.md": 3,
    "docs/how-to/charge-for-gpus.md": 1,
    "docs/how-to/evaluate.md": 1,
    "docs/how-to/export-the-data.md": 2,
    "docs/how-to/install.md": 5,
    "docs/how-to/interrupt-and-resume.md": 1,
    "docs/how-to/judge-with-another-model.md": 2,
    "docs/how-to/queue-with-kueue.md": 1,
    "docs/how-to/see-whether-a-model-became-better.md": 1,
    "docs/how-to/troubleshooting.md": 1,
    "docs/how-to/watch-a-run.md": 1,
    "docs/how-to/work-with-a-cluster.md": 1,
    "docs/security.md": 2,
}
"""The number of blocks that no test runs, by page: each of them has its reason on the page."""
QUICKSTART: dict[str, Any] = {
    **{name: TINY_SPEC[name] for name in ("engine", "responses", "assessment", "training")},
    "iterations": 1,
    "instructions": {**TINY_SPEC["instructions"], "count": 12},
    "selection": {"threshold": 1, "minSamples": 1},
}
SCREENSHOT = "docs/images/report.png"
SCREEN = {"width": 1200, "height": 800}
VENV = Path(sysconfig.get_path("scripts")).parent


def reader_in(folder: Path, typed: Mapping[str, str]) -> Reader:
    """Return a reader in a folder that has the files of the checkout that commands name."""
    for name in ("Makefile", "hack", "requirements", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / ".venv").mkdir()
    for path in VENV.iterdir():
        if path.suffix != ".stamp":
            (folder / ".venv" / path.name).symlink_to(path)
    # The packages are installed: the stamps are newer than the locks, so make installs nothing.
    for name in ("worker-cpu.stamp", "dev.stamp"):
        (folder / ".venv" / name).touch()
    environment = {
        "PATH": f"{VENV / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "XDG_STATE_HOME": str(folder / "state"),
        "HF_HUB_OFFLINE": "1",
    }
    return Reader(folder, environment, typed)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader who has read the tutorial."""
    model = str(tiny_chat_model())
    uri = "hf://HuggingFaceTB/SmolLM2-135M-Instruct"
    typed = {
        "make demo\n": f"isheep run examples/quickstart.yaml --mirror {uri}={model}\n",
        "$(make -s demo-model)": model,
        "/models/smollm2": model,
        "--iteration 2": "--iteration 1",
    }
    found = reader_in(tmp_path_factory.mktemp("reader"), typed)
    found.environment["OMP_NUM_THREADS"] = "1"
    example = found.folder / "examples/quickstart.yaml"
    document = yaml.safe_load(example.read_text())
    document["spec"] = {**document["spec"], **QUICKSTART}
    example.write_text(yaml.safe_dump(document))
    for block in COMMANDS[TUTORIAL]:
        if not block.not_run:
            found.type(block)
    shutil.copyfile(found.folder / "mine.yaml", found.folder / "run.yaml")
    shutil.copyfile(found.folder / "data.jsonl", found.folder / "tasks.jsonl")
    return found


def output_of(reader: Reader, text: str) -> str:
    """Return the output of the tutorial's last block that contains a text."""
    (*_, block) = (block for block in COMMANDS[TUTORIAL] if text in block.text)
    return reader.outputs[block.place]


def test_the_tutorial_runs_only_the_stages_after_the_edit(reader: Reader) -> None:
    assert "every stage is committed" in output_of(reader, "make demo\n")
    assert "i1/report" in output_of(reader, "plan examples/quickstart.yaml")
    plan = output_of(reader, "plan mine.yaml").splitlines()
    (assess,) = (line for line in plan if line.startswith("i1/assess "))
    (select,) = (line for line in plan if line.startswith("i1/select "))
    assert "exists" in assess
    assert "to do" in select
    runs = [reader.outputs[b.place] for b in COMMANDS[TUTORIAL] if "run mine.yaml" in b.text]
    assert len(runs) == 2
    started = [line.split()[1] for run in runs for line in run.splitlines() if ": started" in line]
    assert "i1/train:" in started
    assert not {"i1/generate/r1:", "i1/respond:", "i1/assess:"} & set(started)
    assert "every stage is committed" in runs[-1]


def test_the_tutorial_ends_with_the_report_the_data_and_the_model(reader: Reader) -> None:
    assert "<html" in (reader.folder / "report.html").read_text()
    rows = (reader.folder / "data.jsonl").read_text().splitlines()
    assert rows
    assert all(json.loads(row)["prompt"] for row in rows)
    assert list((reader.folder / "model").glob("*.safetensors"))


def test_the_demo_ends_with_commands_that_work(reader: Reader) -> None:
    demo = (ROOT / "Makefile").read_text().partition("\ndemo:")[2].partition("\n\n")[0]
    assert demo.endswith("cat hack/next-steps.txt")
    steps = (ROOT / "hack/next-steps.txt").read_text()
    assert steps in (ROOT / "README.md").read_text()
    lines = [line for line in steps.splitlines() if line.strip().startswith(".venv/bin/isheep")]
    assert [line.split()[1] for line in lines] == ["report", "export", "status"]
    for line in lines:
        reader.type(Block("hack/next-steps.txt", 1, "", line))


@pytest.mark.parametrize("page", [page for page in PAGES if page != TUTORIAL and COMMANDS[page]])
def test_the_commands_of_a_page_work(page: str, reader: Reader) -> None:
    for block in COMMANDS[page]:
        if not block.not_run:
            reader.type(block)


def test_the_seed_tasks_of_the_guide_are_kept_by_the_rules(reader: Reader) -> None:
    for block in COMMANDS["docs/how-to/use-your-own-seed-tasks.md"]:
        reader.type(block)
    decisions = [json.loads(line) for line in (reader.folder / "decisions.jsonl").open()]
    assert len(decisions) == 6
    assert all(decision["kept"] for decision in decisions), decisions


def test_the_report_has_the_screenshot_of_the_readme(reader: Reader, tmp_path: Path) -> None:
    """With ISHEEP_SCREENSHOT=1, the test also writes the picture into the checkout."""
    wanted = os.environ.get("ISHEEP_SCREENSHOT")
    picture = ROOT / SCREENSHOT if wanted else tmp_path / "report.png"
    with chromium() as browser:
        page = Page(browser, reader.folder / "report.html", viewport=SCREEN)
        heading = page.page.get_by_role("heading", name="From completions to D(1)")
        heading.evaluate("heading => heading.scrollIntoView()")
        page.page.screenshot(path=str(picture))
        assert page.complaints == []
        page.close()
    for found in (picture, ROOT / SCREENSHOT):
        head = found.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", head[16:]) == (SCREEN["width"], SCREEN["height"])
    assert f"]({SCREENSHOT})" in (ROOT / "README.md").read_text()


def test_every_text_that_the_reader_types_differently_is_on_a_page(reader: Reader) -> None:
    text = "".join(block.text for found in COMMANDS.values() for block in found)
    assert [printed for printed in reader.typed if printed not in text] == []


def test_the_blocks_that_are_not_run_are_those_of_the_table() -> None:
    counted = Counter(b.page for found in BLOCKS.values() for b in found if b.not_run)
    assert counted == NOT_RUN


OBJECTS_OF_OTHERS = {
    ("kueue.x-k8s.io/v1beta2", "LocalQueue"),
    ("resource.k8s.io/v1", "ResourceClaimTemplate"),
}
"""The objects of others on the pages; tests under `tests/control_plane` create each of them."""
YAML = [block for found in BLOCKS.values() for block in found if block.language == "yaml"]


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.place)
def test_a_block_of_yaml_is_a_run_a_part_of_a_spec_or_values_of_the_chart(
    block: Block, tmp_path: Path
) -> None:
    document = yaml.safe_load(block.text)
    if (document.get("apiVersion"), document.get("kind")) in OBJECTS_OF_OTHERS:
        return
    if not {"spec", "apiVersion"} & set(document):
        values = yaml.safe_load((ROOT / "charts/isheep-operator/values.yaml").read_text())
        assert set(document) <= set(values)
        return
    whole: dict[str, Any] = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": "part"},
        "spec": {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}},
    }
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(merged(whole, document)))
    load_run(file)


PYTHON = [block for found in BLOCKS.values() for block in found if block.language == "python"]
LINES_OF_JSON = [block for found in BLOCKS.values() for block in found if block.language == "jsonl"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_a_block_of_python_is_a_program(block: Block) -> None:
    compile(block.text, block.place, "exec")


@pytest.mark.parametrize("block", LINES_OF_JSON, ids=lambda block: block.place)
def test_each_line_of_a_data_file_is_an_object(block: Block) -> None:
    assert all(isinstance(json.loads(line), dict) for line in block.text.splitlines())


def test_every_block_has_a_language_that_a_test_knows() -> None:
    languages = {block.language for found in BLOCKS.values() for block in found}
    assert languages <= {"", "yaml", "json", "jsonl", "python", "text"}


def test_a_block_has_its_line_and_its_mark(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- not run: no GPU -->\n```\nx\n```\n```yaml\ny: 1\n```\n")
    assert list(blocks(page, "page")) == [
        Block("page", 3, "", "x\n", not_run="no GPU"),
        Block("page", 6, "yaml", "y: 1\n"),
    ]
