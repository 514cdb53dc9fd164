"""`isheep pull`: the newest model of a run in a store, with checked files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isheep.api.status import BestRecord, SelfAlignmentRunStatus, StageRecord
from isheep.contract.order import RunRef
from isheep.local.stored_run import StoredRun
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Environment, Manifest, StageInfo, Timings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORE = Path("isheep-store")
MODELS = {
    "i1/train": {"adapter_config.json": '{"r": 8}', "adapter_model.safetensors": "adapter 1"},
    "i1/merge": {"config.json": "{}", "model.safetensors": "weights 1"},
    "i2/train": {"adapter_config.json": '{"r": 8}', "adapter_model.safetensors": "adapter 2"},
}


def key_of(stage):
    return stage.replace("/", "-")


@pytest.fixture
def stored(shell):
    """A run whose second training is committed, and whose second merge is not."""
    store = FolderStore(STORE.absolute())
    artifacts = ArtifactStore(store, "default")
    for stage, files in MODELS.items():
        infos = []
        for name, text in files.items():
            Path("file").write_text(text)
            infos.append(artifacts.write_file(key_of(stage), name, Path("file")))
        artifacts.commit(
            key_of(stage),
            Manifest(
                key=key_of(stage),
                stage=StageInfo(kind=stage[3:], version=1, id=stage, iteration=int(stage[1])),
                files=tuple(infos),
                inputs={"model": ("i1-merge",)} if stage == "i2/train" else {},
                environment=Environment(model="hf://org/tiny@abc"),
                timings=Timings(started_at=NOW, finished_at=NOW),
                run=RunRef(namespace="default", name="lamb", uid="u"),
            ),
        )
    run = StoredRun(store, "default", "lamb")
    run.submit(shell.spec, {}, NOW)
    records = (StageRecord(id=stage, key=key_of(stage), committed=True) for stage in MODELS)
    run.write_status(SelfAlignmentRunStatus(stages=tuple(records)))
    return shell


def files(folder):
    return {path.name: path.read_text() for path in Path(folder).iterdir()}


@pytest.mark.parametrize("run", ["run.yaml", "lamb"])
def test_the_newest_merged_model_is_the_default(stored, run):
    Path("m").mkdir()
    result = stored("pull", run, "-o", "m")
    assert result.exit_code == 0, result.output
    assert files("m") == MODELS["i1/merge"]
    assert result.stdout == (
        f"{Path('m').absolute()}: M(1) of lamb, full weights, 2 files with the SHA-256 of the "
        "manifest\n"
    )
    assert files("m") == MODELS["i1/merge"]


def test_an_adapter_names_its_base_or_that_it_has_another(stored):
    result = stored("pull", "run.yaml", "--adapter", "-o", "new/a")
    assert files("new/a")["adapter_model.safetensors"] == "adapter 2"
    assert "M(2) of lamb, a LoRA adapter" in result.stdout
    assert result.stderr == "the base of this adapter is M(1), not the base model of the run\n"
    assert "base_model_name_or_path" not in json.loads(files("new/a")["adapter_config.json"])


def with_best(best: BestRecord) -> None:
    run = StoredRun(FolderStore(STORE.absolute()), "default", "lamb")
    view = run.read()
    assert view is not None
    run.write_status(view.status.model_copy(update={"best": best}))


def test_the_best_model_is_the_default_and_the_command_says_so(stored):
    with_best(BestRecord(iteration=1, metric="arc", value=0.5, note="chosen on this data"))
    result = stored("pull", "lamb", "--adapter", "-o", "m")
    assert files("m")["adapter_model.safetensors"] == "adapter 1"
    assert "M(1) of lamb, a LoRA adapter" in result.stdout
    assert "the best model: M(1), arc 0.500 (chosen on this data)\n" in result.stderr
    stored("pull", "lamb", "--adapter", "--iteration", "2", "-o", "n")
    assert files("n")["adapter_model.safetensors"] == "adapter 2"
    assert "has no M(2) yet" not in stored("pull", "lamb", "--iteration", "2", "-o", "o").stderr
    assert "lamb has no M(3) yet" in stored("pull", "lamb", "--iteration", "3", "-o", "p").stderr


def test_a_run_without_an_improvement_has_no_model_to_fetch(stored):
    with_best(BestRecord(iteration=0, metric="arc", value=0.5, note="NoImprovement"))
    result = stored("pull", "lamb", "-o", "m")
    assert result.exit_code == 64
    assert "the best model of lamb is M(0), its base model: M(0), arc 0.500" in result.stderr
    assert not Path("m").exists()


def test_a_damaged_file_leaves_no_folder(stored):
    (path,) = STORE.rglob("model.safetensors")
    path.chmod(0o644)
    path.write_text("weights 2")
    result = stored("pull", "lamb", "-o", "m")
    assert result.exit_code == 74
    assert "is damaged: its SHA-256 is" in result.stderr
    assert not Path("m").exists()
    assert [p.name for p in Path().iterdir() if p.name.endswith(".m")] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--adapter", "--merged", "-o", "m"), "give one of them"),
        (("-o", "-"), "a model has several files"),
        (("-o", "run.yaml"), "a model has several files"),
        (("-o", "."), "the folder is not empty"),
    ],
)
def test_what_cannot_be_written_is_refused(stored, options, message):
    result = stored("pull", "lamb", *options)
    assert result.exit_code == 64
    assert message in result.stderr


def test_a_run_without_a_model_or_without_merged_weights_says_so(stored):
    run = StoredRun(FolderStore(STORE.absolute()), "default", "lamb")
    run.write_status(
        SelfAlignmentRunStatus(stages=(StageRecord(id="i1/train", key="i1-train", committed=True),))
    )
    merged = stored("pull", "lamb", "--merged", "-o", "m")
    assert merged.exit_code == 64
    assert "has no merged weights" in merged.stderr
    run.write_status(SelfAlignmentRunStatus())
    assert (
        "lamb has no model yet: see `isheep status lamb" in stored("pull", "lamb", "-o", "m").stderr
    )
