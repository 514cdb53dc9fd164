"""`isheep filter`: one decision a line, complete files only, and no import of torch."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from isheep.cli.app import app
from isheep_worker.rules.sets import RULE_SETS

PAGE = Path(__file__).resolve().parents[5] / "docs/how-to/filter-your-data.md"

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


def decisions(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_gets_a_decision_and_stderr_gets_the_counts():
    result = isheep("in.jsonl", "-o", "out.jsonl")

    assert result.exit_code == 0, result.output
    assert decisions(Path("out.jsonl").read_text()) == [
        {"line": 1, "id": "line-1", "kept": True},
        {
            "line": 2,
            "id": "line-2",
            "kept": False,
            "rule": "rouge-l",
            "detail": "0.909, above 0.7, to: Name three rivers in Asia.",
        },
        {"line": 3, "id": "line-3", "kept": False, "rule": "blacklist", "detail": "Draw"},
        {"line": 4, "id": "line-4", "kept": False, "rule": "first-character", "detail": "写"},
    ]
    assert result.stdout == ""
    assert result.stderr == (
        "in.jsonl: kept 1 of 4 records\n  rouge-l: 1\n  blacklist: 1\n  first-character: 1\n"
    )


def test_the_help_and_the_page_contain_the_name_of_each_rule_set():
    help_text = " ".join(isheep("--help").output.split())
    page = PAGE.read_text(encoding="utf-8")
    for name in RULE_SETS:
        assert re.search(rf"\b{name}\b", help_text)
        assert f"`{name}`" in page


def test_the_commands_of_the_page_run():
    commands = re.findall(r"^isheep filter (.+)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert commands
    Path("in.jsonl").rename("tasks.jsonl")
    for command in commands:
        result = isheep(*command.split())
        assert result.exit_code == 0, result.output
    assert Path("kept.jsonl").read_text() == json.dumps(TASKS[0]) + "\n"


def test_rules_over_all_pairs_of_a_task_do_not_apply():
    instances = [{"input": "2 + 2", "output": "It is 4."}, {"input": "2 + 2", "output": "5"}]
    task = {"instruction": "Add the two numbers.", "instances": instances}
    result = isheep("-", "-o", "-", "--rules", "SelfInstruct", stdin=json.dumps(task))
    assert [decision["kept"] for decision in decisions(result.stdout)] == [True]


def test_options_select_the_rules_the_language_and_the_pool():
    Path("pool.jsonl").write_text('\ufeff{"instruction": "写一首关于春天的诗"}\n\n')
    result = isheep(
        "in.jsonl",
        "-o",
        "-",
        "--rules",
        "ISheep, rouge-l",
        "--language",
        "zh",
        "--pool",
        "pool.jsonl",
    )
    assert [decision.get("rule") for decision in decisions(result.stdout)] == [
        None,
        "rouge-l",
        None,
        "rouge-l",
    ]
    only = isheep("in.jsonl", "-o", "-", "--rules", "rouge-l", "--max-rouge-l", "0.95")
    assert [decision["kept"] for decision in decisions(only.stdout)] == [True] * 4


def test_names_of_earlier_versions_are_accepted_and_the_output_has_the_new_names():
    result = isheep("in.jsonl", "-o", "-", "--rules", "first_character,rouge")
    assert [decision.get("rule") for decision in decisions(result.stdout)] == [
        None,
        "rouge-l",
        None,
        "first-character",
    ]


def test_the_default_rules_include_contamination_if_there_are_benchmarks():
    Path("bench.txt").write_text("which of the three rivers in Asia\nNothing.\n")
    result = isheep("in.jsonl", "-o", "-", "--decontaminate", "bench.txt", "--ngram", "4")
    assert [decision.get("rule") for decision in decisions(result.stdout)] == [
        "contamination",
        "contamination",
        "blacklist",
        "first-character",
    ]
    assert decisions(result.stdout)[0]["detail"] == "bench.txt"


def test_unreadable_lines_of_a_pipe_are_drops():
    hostile = b'\xff\n\n{"instruction": "\\ud800 x"}\n' + Path("in.jsonl").read_bytes().rstrip()
    result = isheep("-", "-o", "-", stdin=hostile)
    assert result.exit_code == 0
    rules = [decision.get("rule") for decision in decisions(result.stdout)]
    assert rules == ["unreadable"] * 3 + [None, "rouge-l", "blacklist", "first-character"]
    assert result.stderr.startswith("-: kept 1 of 7 records\n  unreadable: 3\n")


def test_a_json_list_has_one_decision_for_each_item_and_the_kept_ones_are_written():
    """Alpaca, LLaMA-Factory and I-SHEEP publish one JSON list over many lines."""
    Path("data.json").write_text(json.dumps(TASKS, indent=2, ensure_ascii=False))
    result = isheep("data.json", "-o", "out.jsonl", "--kept", "kept.jsonl")
    assert result.exit_code == 0, result.output
    kept = [decision["kept"] for decision in decisions(Path("out.jsonl").read_text())]
    assert kept == [True, False, False, False]
    assert decisions(Path("kept.jsonl").read_text()) == [TASKS[0]]
    assert result.stderr.startswith("data.json: kept 1 of 4 records\n")


def test_packed_files_and_parquet_have_the_same_decisions():
    expected = isheep("in.jsonl", "-o", "-").stdout
    Path("in.gz").write_bytes(gzip.compress(Path("in.jsonl").read_bytes()))
    parquet.write_table(pyarrow.Table.from_pylist(TASKS), "in.parquet")
    parquet_bytes = Path("in.parquet").read_bytes()
    assert isheep("in.gz", "-o", "-").stdout == expected
    rows = decisions(isheep("in.parquet", "-o", "-").stdout)
    assert rows == decisions(isheep("-", "-o", "-", stdin=parquet_bytes).stdout)
    # Parquet has no lines.
    assert [row.pop("id") for row in rows] == ["row-1", "row-2", "row-3", "row-4"]
    lines = decisions(expected)
    assert [(line.pop("line"), line.pop("id")) for line in lines][3] == (4, "line-4")
    assert rows == lines


def test_the_id_of_a_record_is_its_own_or_its_place_and_a_limit_is_in_the_detail():
    rows = [
        {"id": "seed-7\ud800", "instruction": "Name birds."},
        {"id": "", "instruction": "Name birds."},
        {"provenance": {"id": "i1-r1"}, "instruction": "Name birds."},
        [],
    ]
    stdin = "\n\n".join(json.dumps(row) for row in rows)
    found = [d for d in decisions(isheep("-", "-o", "-", stdin=stdin).stdout) if d["line"] % 2]
    assert [(d["line"], d["id"]) for d in found] == [
        (1, "seed-7?"),
        (3, "line-3"),
        (5, "i1-r1"),
        (7, "line-7"),
    ]
    assert [d["detail"] for d in found[:3]] == ["2 words, fewer than 4"] * 3


def test_kept_and_dropped_records_are_written_as_they_are(tmp_path):
    Path("in.jsonl").write_bytes(b"not JSON\n" + Path("in.jsonl").read_bytes())
    (tmp_path / "out").mkdir()
    result = isheep("in.jsonl", "-o", "out", "--kept", "new/kept.jsonl", "--dropped", "out/")
    assert result.exit_code == 0, result.output
    assert decisions(Path("new/kept.jsonl").read_text()) == TASKS[:1]
    assert decisions(Path("out/dropped.jsonl").read_text()) == TASKS[1:]
    assert len(decisions(Path("out/decisions.jsonl").read_text())) == 5


def test_a_long_input_shows_its_progress_on_stderr(monkeypatch):
    monkeypatch.setattr("isheep.cli.commands.filter.TICK_SECONDS", 0)
    lines = isheep("in.jsonl", "-o", "out.jsonl").stderr.splitlines()
    assert lines[3].startswith("in.jsonl: 4 records, ")
    assert lines[4] == "in.jsonl: kept 1 of 4 records"


def test_columns_that_no_rule_reads_are_named():
    task = {**TASKS[0], "cat\x1b[31m": "qa", "system": "Be kind."}
    assert isheep("-", "-o", "-", stdin=json.dumps(task)).stderr.splitlines() == [
        "-: kept 1 of 1 records",
        "  ignored columns (records): 'cat\\x1b[31m' (1)",
        "  system messages: those of 1 records are left out",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[\n{"instruction": "x"},\n{]',
            "in: line 3, column 2: is not JSON",
        ),
        (
            "a,b\n1,2\n",
            "in: none of the 2 records can be read; the first: line 1, column 1: is not",
        ),
        ('[{"q": 1}]', "in: none of the 1 records can be read; the first: item 1 (line 1): field"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_bad_input_and_creates_no_file(content, message):
    Path("in").write_text(content)
    result = isheep("in", "-o", "out.jsonl", "--kept", "kept.jsonl")
    assert result.exit_code == 64
    assert message in result.stderr
    assert not Path("out.jsonl").exists()
    assert not Path("kept.jsonl").exists()


def test_the_summary_says_that_the_language_may_be_wrong():
    texts = [f"请写第{number}首关于春天的诗。" for number in range(3)]
    lines = "".join(json.dumps({"instruction": text, "output": "春"}) + "\n" for text in texts)
    result = isheep("-", "-o", "-", "--rules", "ISheep", stdin=lines)
    assert result.stderr.splitlines() == [
        "-: kept 0 of 3 records",
        "  first-character: 3",
        "  3 of 3 instructions are not ASCII: if they are not in English, set --language to their "
        "language",
    ]
    right = isheep("-", "-o", "-", "--rules", "ISheep", "--language", "zh", stdin=lines)
    assert right.stderr.splitlines() == ["-: kept 3 of 3 records"]
    dashes = '{"instruction": "- Name a small bird."}\n'
    assert "ASCII" not in isheep("-", "-o", "-", stdin=dashes).stderr


def test_a_record_with_a_finish_reason_can_be_dropped_as_cut():
    row = {"instruction": "List ten rivers in Asia.", "response": "1. Mekong: it"}
    for reason, rule in (("length", "cut"), ("stop", None)):
        lines = json.dumps({**row, "finish_reason": reason})
        result = isheep("-", "-o", "-", stdin=lines)
        assert decisions(result.stdout)[0].get("rule") == rule


def test_an_empty_file_has_no_lines():
    Path("in.jsonl").write_bytes(b"")
    assert isheep("in.jsonl", "-o", "out.jsonl").stderr == "in.jsonl: kept 0 of 0 records\n"
    assert Path("out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.jsonl", "-o", "out.jsonl"), "none.jsonl: No such file or directory"),
        ((".", "-o", "out.jsonl"), ".: Is a directory"),
        (("in.jsonl",), "Missing option"),
        (("in.jsonl", "-o", "in.jsonl"), "in.jsonl: is the input"),
        (("in.jsonl", "-o", "-", "--kept", "in.jsonl"), "in.jsonl: is the input"),
        (("in.jsonl", "-o", "-", "--kept", "-"), "--kept -: another option writes there"),
        (("in.jsonl", "-o", "out.jsonl", "--rules", "rogue"), "--rules: there is no rule or rule"),
        (("in.jsonl", "-o", "out.jsonl", "--rules", "contamination"), "needs benchmark files"),
        (("in.jsonl", "-o", "out.jsonl", "--max-rouge-l", "1.5"), "--max-rouge-l"),
        (("in.jsonl", "-o", "out.jsonl", "--pool", "none"), "none: No such file"),
        (("in.jsonl", "-o", "out.jsonl", "--pool", "bad"), "--pool bad, line 2: is a list, not an"),
        (("in.jsonl", "-o", "out.jsonl", "--decontaminate", "none"), "none: No such file"),
        (
            ("in.jsonl", "-o", "out.jsonl", "--decontaminate", "bad.jsonl"),
            "--decontaminate bad.jsonl, line 2, column 1: is not JSON",
        ),
        (
            ("in.jsonl", "-o", "out.jsonl", "--decontaminate", "bad", "--rules", "rouge-l"),
            "--rules rouge-l does not contain contamination; add it to --rules",
        ),
    ],
)
def test_unusable_arguments_are_bad_input_and_create_no_file(arguments, message):
    Path("bad").write_text('{"instruction": "x"}\n[]\n')
    Path("bad.jsonl").write_text("{\n")
    before = set(Path().iterdir())
    result = isheep(*arguments)
    assert result.exit_code == 64, result.output
    assert message in " ".join(result.stderr.split())
    assert set(Path().iterdir()) == before


def test_an_interrupted_command_does_not_change_the_earlier_file(monkeypatch):
    Path("out.jsonl").write_text("mine")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("isheep_worker.curation.filtering.decisions", interrupted)
    assert isheep("in.jsonl", "-o", "out.jsonl").exit_code == 143
    assert {path.name for path in Path().iterdir()} == {"in.jsonl", "out.jsonl"}
    assert Path("out.jsonl").read_text() == "mine"


def test_the_command_imports_neither_torch_nor_transformers():
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


def test_thoughts_are_kept_on_request():
    task = {**TASKS[0], "output": "<think>\nAsia.\n</think>\n\nOb, Lena, Indus."}
    Path("thoughts.jsonl").write_text(json.dumps(task) + "\n")
    for options, kept in (([], False), (["--keep-thoughts"], True)):
        result = isheep("thoughts.jsonl", "-o", "-", *options)
        assert [decision["kept"] for decision in decisions(result.stdout)] == [kept]
