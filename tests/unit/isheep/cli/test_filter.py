"""`isheep filter`: a verdict a line, whole files or none, and no torch."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from isheep.cli.app import app
from isheep_worker.rules.sets import RULE_SETS

PAGE = Path(__file__).resolve().parents[4] / "docs/how-to/filter-your-data.md"

TASKS = [
    {"instruction": "Name three rivers in Asia."},
    {"instruction": "Name three rivers in Asia, please."},
    {"instruction": "Draw a house with a garden."},
    {"instruction": "写一首关于秋天的诗", "output": "秋风"},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text("".join(json.dumps(task) + "\n" for task in TASKS))


def isheep(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["filter", *arguments], input=stdin)


def verdicts(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_has_its_verdict_and_the_counts_are_told():
    result = isheep("in.jsonl", "-o", "out.jsonl")

    assert result.exit_code == 0, result.output
    assert verdicts(Path("out.jsonl").read_text()) == [
        {"kept": True},
        {"kept": False, "rule": "rouge", "detail": "0.909 to: Name three rivers in Asia."},
        {"kept": False, "rule": "blacklist", "detail": "Draw"},
        {"kept": False, "rule": "first_character", "detail": "写"},
    ]
    assert result.stdout == ""
    assert result.stderr == (
        "in.jsonl: kept 1 of 4 lines\n  rouge: 1\n  blacklist: 1\n  first_character: 1\n"
    )


def test_each_rule_set_is_named_in_the_help_and_on_the_page():
    said = " ".join(isheep("--help").output.split())
    told = PAGE.read_text(encoding="utf-8")
    for name in RULE_SETS:
        assert re.search(rf"\b{name}\b", said)
        assert f"`{name}`" in told


def test_what_all_pairs_of_a_task_say_is_not_looked_at():
    instances = [{"input": "2 + 2", "output": "It is 4."}, {"input": "2 + 2", "output": "5"}]
    task = {"instruction": "Add the two numbers.", "instances": instances}
    result = isheep("-", "-o", "-", "--rules", "SelfInstruct", stdin=json.dumps(task))
    assert verdicts(result.stdout) == [{"kept": True}]


def test_rules_language_and_pool_are_chosen():
    Path("pool.jsonl").write_text('\ufeff{"instruction": "写一首关于春天的诗"}\n\n')
    result = isheep(
        "in.jsonl",
        "-o",
        "-",
        "--rules",
        "ISheep, rouge",
        "--language",
        "zh",
        "--pool",
        "pool.jsonl",
    )
    assert [verdict.get("rule") for verdict in verdicts(result.stdout)] == [
        None,
        "rouge",
        None,
        "rouge",
    ]
    only = isheep("in.jsonl", "-o", "-", "--rules", "rouge", "--max-rouge-l", "0.95")
    assert [verdict["kept"] for verdict in verdicts(only.stdout)] == [True] * 4


def test_benchmarks_are_looked_for_by_default_where_they_are_given():
    Path("bench.txt").write_text("which of the three rivers in Asia\nNothing.\n")
    result = isheep("in.jsonl", "-o", "-", "--decontaminate", "bench.txt", "--ngram", "4")
    assert [verdict.get("rule") for verdict in verdicts(result.stdout)] == [
        "contamination",
        "contamination",
        "blacklist",
        "first_character",
    ]
    assert verdicts(result.stdout)[0]["detail"] == "bench.txt"


def test_pipes_take_whatever_comes():
    hostile = b'\xff\n\n{"instruction": "\\ud800 x"}\n' + Path("in.jsonl").read_bytes().rstrip()
    result = isheep("-", "-o", "-", stdin=hostile)
    assert result.exit_code == 0
    rules = [verdict.get("rule") for verdict in verdicts(result.stdout)]
    assert rules == ["unreadable"] * 3 + [None, "rouge", "blacklist", "first_character"]
    assert result.stderr.startswith("-: kept 1 of 7 lines\n  unreadable: 3\n")


def test_an_empty_file_is_a_file_without_lines():
    Path("in.jsonl").write_bytes(b"")
    assert isheep("in.jsonl", "-o", "out.jsonl").stderr == "in.jsonl: kept 0 of 0 lines\n"
    assert Path("out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.jsonl", "-o", "out.jsonl"), "none.jsonl: No such file or directory"),
        ((".", "-o", "out.jsonl"), ".: Is a directory"),
        (("in.jsonl",), "Missing option"),
        (("in.jsonl", "-o", "in.jsonl"), "in.jsonl: is the input"),
        (("in.jsonl", "-o", "out.jsonl", "--rules", "rogue"), "--rules: there is no rule or rule"),
        (("in.jsonl", "-o", "out.jsonl", "--rules", "contamination"), "needs benchmark files"),
        (("in.jsonl", "-o", "out.jsonl", "--max-rouge-l", "1.5"), "--max-rouge-l"),
        (("in.jsonl", "-o", "out.jsonl", "--pool", "none"), "none: No such file"),
        (("in.jsonl", "-o", "out.jsonl", "--pool", "bad"), "--pool bad, line 2: is a list, not an"),
        (("in.jsonl", "-o", "out.jsonl", "--decontaminate", "none"), "none: No such file"),
        (
            ("in.jsonl", "-o", "out.jsonl", "--decontaminate", "bad.jsonl"),
            "--decontaminate bad.jsonl, line 1: is not JSON",
        ),
        (
            ("in.jsonl", "-o", "out.jsonl", "--decontaminate", "bad", "--rules", "rouge"),
            "add contamination to --rules",
        ),
    ],
)
def test_what_cannot_be_used_is_bad_input_and_leaves_nothing(arguments, message):
    Path("bad").write_text('{"instruction": "x"}\n[]\n')
    Path("bad.jsonl").write_text("{\n")
    before = set(Path().iterdir())
    result = isheep(*arguments)
    assert result.exit_code == 64, result.output
    assert message in " ".join(result.stderr.split())
    assert set(Path().iterdir()) == before


def test_an_interrupted_run_leaves_the_earlier_file_alone(monkeypatch):
    Path("out.jsonl").write_text("mine")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("isheep_worker.curation.filtering.verdicts", interrupted)
    assert isheep("in.jsonl", "-o", "out.jsonl").exit_code == 143
    assert {path.name for path in Path().iterdir()} == {"in.jsonl", "out.jsonl"}
    assert Path("out.jsonl").read_text() == "mine"


def test_neither_torch_nor_transformers_is_imported():
    program = (
        "import sys; from isheep.cli.app import app\n"
        "app(['filter', 'in.jsonl', '-o', '-'], standalone_mode=False)\n"
        "print({'torch', 'transformers', 'vllm'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "set()"
    assert len(done.stdout.splitlines()) == 4
