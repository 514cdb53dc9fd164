"""`isheep export` with a finished run and without a run."""

import json
from pathlib import Path


def test_export_writes_messages_that_trainers_render(finished):
    result = finished("export", "run.yaml", "--iteration", "1", "-o", "d1.jsonl")

    assert result.exit_code == 0
    assert result.stderr == "d1.jsonl: 2 rows\n"
    rows = [json.loads(line) for line in Path("d1.jsonl").read_text().splitlines()]
    assert [row["prompt"][0]["content"] for row in rows] == ["Do 0 – now", "Do 2 – now\n\nthis"]
    assert [(row["instruction"], row["input"]) for row in rows][1] == ("Do 2 – now", "this")
    assert rows[0]["completion"] == [{"role": "assistant", "content": "done"}]
    assert rows[0]["scores"] == {"Quality": 9.0}
    assert rows[0]["finish_reason"] == "stop"
    provenance = rows[1]["provenance"]
    assert provenance["id"] == "i1-r1-c00000-p2"
    assert (provenance["run"], provenance["iteration"], provenance["stage"]) == (
        "lamb",
        1,
        "i1/select",
    )
    assert set(Path().iterdir()) >= {Path("d1.jsonl")}
    assert not list(Path().glob(".*d1.jsonl"))


def test_filter_reads_what_export_writes(finished):
    for form in ("messages", "prompt-completion", "alpaca", "text"):
        for suffix in ("jsonl", "json", "parquet"):
            file = f"{form}.{suffix}"
            finished("export", "run.yaml", "--iteration", "1", "--format", form, "-o", file)
            result = finished("filter", file, "-o", "-", "--rules", "empty-response")
            assert result.exit_code == 0, result.output
            kept = [json.loads(line)["kept"] for line in result.stdout.splitlines()]
            assert kept == [True, True]
            assert result.stderr == f"{file}: kept 2 of 2 records\n"
    # The plain texts of earlier versions.
    rows = [json.loads(line) for line in Path("text.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["Do 0 – now", "Do 2 – now\nthis"]
    assert set(rows[0]) == {"prompt", "completion", "scores", "provenance"}


def test_export_to_a_folder_writes_the_data_or_the_model_with_a_card(finished):
    options = ("--format", "alpaca", "--file-type", "parquet", "--license", "mit")
    result = finished("export", "run.yaml", "--iteration", "1", *options, "-o", "out/")
    assert result.stderr == "out/train.parquet: 2 rows, and README.md\n"
    card = Path("out/README.md").read_text()
    for text in ("license: mit", "path: train.parquet", "# D(1) of the run lamb"):
        assert text in card
    assert {path.name for path in Path("out").iterdir()} == {"README.md", "train.parquet"}

    result = finished("export", "run.yaml", "--iteration", "1", "--model", "-o", "m")
    assert result.exit_code == 0, result.output
    assert "# M(1) of the run lamb" in Path("m/README.md").read_text()

    for arguments, message in (
        (("1", "--format", "preference", "-o", "p"), "lamb, D(1): the iteration has no two resp"),
        (("1", "--model", "-o", "-"), "--output -: a model has several files; name a folder"),
        (("2", "--model", "-o", "m2"), "lamb has no M(2) yet (stage i2/train is not committed)"),
    ):
        result = finished("export", "run.yaml", "--iteration", *arguments)
        assert result.exit_code == 64
        assert message in result.stderr
        assert not Path(arguments[-1]).exists()


def test_export_to_stdout_prints_only_the_rows(finished):
    finished("export", "run.yaml", "--iteration", "1", "-o", "d1.jsonl")
    result = finished("export", "run.yaml", "--iteration", "1", "-o", "-")
    assert result.stdout == Path("d1.jsonl").read_text()


def test_export_of_a_damaged_part_keeps_the_earlier_file(finished):
    Path("d1.jsonl").write_text("mine")
    key = next(s["key"] for s in finished.status()["stages"] if s["id"] == "i1/select")
    part = Path(f"isheep-store/default/stages/{key}/part-00000.jsonl.zst")
    part.resolve().write_bytes(b"spoilt")

    result = finished("export", "run.yaml", "--iteration", "1", "-o", "d1.jsonl")

    assert result.exit_code == 74
    assert "is damaged" in result.stderr
    assert Path("d1.jsonl").read_text() == "mine"


def test_the_error_of_an_export_names_the_missing_stage(finished):
    result = finished("export", "run.yaml", "--iteration", "2", "-o", "d2.jsonl")
    assert result.exit_code == 64
    assert "lamb has no D(2) yet (stage i2/select is not committed)" in result.stderr
    assert not Path("d2.jsonl").exists()


def test_without_an_iteration_it_is_that_of_the_best_model(finished):
    result = finished("export", "run.yaml", "-o", "best.jsonl")
    assert result.exit_code == 0, result.output
    assert "iteration 1: the last model, because no metric has chosen the best one" in result.stderr
    finished("export", "run.yaml", "--iteration", "1", "-o", "d1.jsonl")
    assert Path("best.jsonl").read_text() == Path("d1.jsonl").read_text()


def test_results_of_benchmarks_need_a_benchmark_and_a_folder(finished):
    result = finished("export", "run.yaml", "--evaluation", "-o", "results")
    assert result.exit_code == 64
    assert (
        "lamb has no results on benchmarks: add a benchmark with `isheep evaluate`" in result.stderr
    )
    assert not Path("results").exists()
    for options in (
        ("-o", "-"),
        ("-o", "results", "--model"),
        ("-o", "results", "--iteration", "1"),
    ):
        assert finished("export", "run.yaml", "--evaluation", *options).exit_code == 64
