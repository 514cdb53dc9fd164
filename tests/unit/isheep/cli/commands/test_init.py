"""`isheep init`: where it writes, what it asks, and which answers it refuses."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from isheep.api.reading.loader import load_run
from isheep.cli.new_run.init_questions import INTERACTIVE, answered

from ..new_run.test_run_text import NOTHING
from ..test_processes import processes, read_rest, read_until, start  # noqa: F401  (a fixture)


def replies(*texts):
    """Return a function that answers the questions, and the list of the questions."""
    given, asked = list(texts), []

    def ask(question):
        asked.append(question)
        return given.pop(0)

    return ask, asked


def test_init_writes_the_file_and_names_the_next_command(shell):
    Path("run.yaml").unlink()
    result = shell("init", "--from", "7B", "--model", "hf://org/base", "--recipe", "alpaca")
    assert result.exit_code == 0, result.output
    assert result.stdout == "run.yaml: written; next: isheep run run.yaml\n"
    spec = load_run(Path("run.yaml")).run.spec
    assert (spec.recipe, spec.model.storage_uri, spec.iterations) == ("Alpaca", "hf://org/base", 1)
    assert shell("validate", "--strict", "run.yaml").exit_code == 0


def test_init_writes_into_a_folder_or_to_stdout(shell):
    result = shell("init", "new/", "--from", "0.5b", "--cluster", "--store", "s3://my-bucket/x")
    assert result.exit_code == 0
    assert "next: isheep submit new/run.yaml -n NAMESPACE" in result.stdout
    result = shell("init", "-", "--from", "0.5b", "--cluster", "--store", "s3://my-bucket/x")
    assert result.stdout == Path("new/run.yaml").read_text()
    assert result.stderr == ""


def test_a_file_is_replaced_with_force_only(shell):
    before = Path("run.yaml").read_text()
    Path("link.yaml").symlink_to("nowhere")
    for file in ("run.yaml", "link.yaml", "."):
        result = shell("init", file, "--from", "7b")
        assert result.exit_code == 64
        assert "the file exists; name another file, or add --force" in result.stderr
    assert Path("run.yaml").read_text() == before
    assert shell("init", "--from", "7b", "--force").exit_code == 0
    assert Path("run.yaml").read_text() != before


def test_without_a_terminal_and_a_size_it_says_what_to_do(shell):
    result = shell("init", "new.yaml", "--model", "hf://org/base-7b")
    assert result.exit_code == 64
    assert "there is no terminal to ask; add --from SIZE, one of 135m, 0.5b, " in result.stderr
    assert not Path("new.yaml").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "8b"), "--from: 8b: there are settings for the sizes 135m"),
        (("--model", "org/base"), '--model: found "org/base"; allowed: '),
        (("--model", ""), '--model: found ""; allowed: '),
        (("--model", "hf://a/b\nspec: {}"), "--model: 'hf://a/b\\nspec: {}' contains a control"),
        (("--model", "hf://a/b: c"), '--model: found "hf://a/b: c"'),
        (("--recipe", "Sheep: x"), '--recipe: found "Sheep: x"'),
        (("--recipe", "Dromedary", "--iterations", "3"), "--iterations: recipe Dromedary has at"),
        (("--iterations", "0"), "--iterations: found 0"),
        (("--iterations", "two"), "--iterations: 'two' is no whole number"),
        (("--instructions", "1e3"), "is no whole number"),
        (("--instructions", "\u0663"), "is no whole number"),
        (("--instructions", "9" * 50), "is no whole number"),
        (("--store", ""), '--store: found ""'),
        (("--store", "ftp://x"), "--store: store ftp://…: give a folder or s3"),
        (("--store", "s3://My_Bucket"), '--store: found "My_Bucket"'),
        (("--store", "a\x1b[31m"), "--store: 'a\\x1b[31m' contains a control character"),
        (("--cluster", "--store", "there"), "--store: the pods of a cluster cannot read a folder"),
        (("--cluster", "--model", "file:///m"), "cannot read a file:// model"),
        (("--machine", "--model", "pvc://c/m"), "one machine cannot read a pvc:// model"),
    ],
)
def test_the_value_of_an_option_that_cannot_be_used_is_refused(shell, options, message):
    size = () if "--from" in options else ("--from", "7b")
    result = shell("init", "new.yaml", *size, *options)
    assert result.exit_code == 64
    assert result.stderr.startswith("isheep: --")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("new.yaml").exists()


def test_the_questions_have_defaults_that_follow_from_the_answers_before():
    ask, asked = replies("hf://org/llama-70B", "", "", "", "", "", "")
    answers = answered(NOTHING, ask)
    assert (answers.size.name, answers.iterations, answers.instructions) == ("72b", 5, 10000)
    assert (answers.recipe, answers.cluster, answers.store) == ("ISheep", False, None)
    assert [question.rpartition(" [")[2] for question in asked] == [
        "hf://Qwen/Qwen2.5-7B]: ",
        "72b]: ",
        "ISheep]: ",
        "5]: ",
        "10000]: ",
        "machine]: ",
        "isheep-store]: ",
    ]
    ask, asked = replies("", "", "selfinstruct", "", "", "c", "")
    answers = answered(NOTHING, ask)
    assert (answers.iterations, answers.cluster) == (1, True)
    assert asked[-1].endswith("[the operator's default]: ")


def test_what_an_option_gives_is_not_asked_and_a_wrong_answer_is_asked_again(capsys):
    given = {**NOTHING, "model": "hf://org/base", "cluster": "cluster", "instructions": "500"}
    ask, asked = replies("7b", "Dromedary", "3", "-1", "2", "there", "s3://my-bucket/x")
    answers = answered(given, ask)
    assert (answers.iterations, answers.store.bucket) == (2, "my-bucket")
    assert len(asked) == len(INTERACTIVE) - len([v for v in given.values() if v]) + 3
    refusals = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0].strip() for line in refusals] == [
        "recipe Dromedary has at most 2 iterations",
        "'-1' is no whole number",
        "the pods of a cluster cannot read a folder",
    ]


def test_on_a_terminal_it_asks_on_stderr_and_writes_nothing_after_the_end_of_the_input(
    shell,
    processes,  # noqa: F811
):
    terminal, other = pty.openpty()
    process = start("init", "new.yaml", stdin=other, stdout=other, stderr=other)
    processes.append(process)
    os.close(other)
    read_until(terminal, "Base model [hf://Qwen/Qwen2.5-7B]: ")
    os.write(terminal, b"nonsense\n")
    seen = read_until(terminal, "Base model [")
    assert 'found "nonsense"; allowed: ' in seen
    os.write(terminal, b"\x04")
    seen = read_rest(terminal)
    assert process.wait() == 64
    assert "the input ended before the last question, so nothing is written" in seen
    assert not (shell.folder / "new.yaml").exists()
