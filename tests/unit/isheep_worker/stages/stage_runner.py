"""Runs one stage in this process, with inputs that a test commits row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from isheep.contract.order import RunRef, Sources, StageOrder, StageResult, Step
from isheep.contract.store_spec import parse_store_uri
from isheep.recipes.settings import ModelSettings, Sampling, StageSettings
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.process.worker import Worker
from isheep_worker.rows.schema import RowCodec
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag
from isheep_worker.templates.library import VARIABLES, TemplateLibrary
from isheep_worker.templates.prompting import chat_format_digest, dump_templates, resolve_prompting

RUN = RunRef(namespace="default", name="demo", uid="u")
KEY = "f" * 64


class StageRunner:
    """A store in a folder, and a worker that runs single stages over it."""

    def __init__(self, folder: Path, model: Path | None = None) -> None:
        self._folder = folder
        self._model = model
        self.artifacts = ArtifactStore(FolderStore(folder), "default")
        self.inputs = Inputs(self.artifacts.store, "default")
        self._roles: dict[str, str] = {}
        self.judge: dict[str, Any] = {}
        """The fields of `Sources` for a judge."""

    def commit(self, role: str, codec: RowCodec[Any], rows: Sequence[Any]) -> None:
        """Commit rows as the output of a stage that is the input `role` of later stages."""
        key = f"{len(self._roles) + 1:064d}"
        count = -(-len(rows) // 64)
        for part in range(count):
            some = rows[64 * part : 64 * (part + 1)]
            self.artifacts.write_part(key, part, [codec.encode(row) for row in some])
        now = datetime.now(UTC)
        manifest = Manifest(
            key=key,
            stage=StageInfo(kind="x", version=1, id="x", iteration=1),
            parts=tuple(self.artifacts.collect_parts(key, count)),
            timings=Timings(started_at=now, finished_at=now),
            run=RUN,
        )
        self.artifacts.commit(key, manifest)
        self._roles[role] = key

    def model_settings(self, max_model_length: int) -> ModelSettings:
        """Return the settings with which a stage loads the model."""
        assert self._model is not None
        return ModelSettings(
            base_model="0" * 64,
            engine="Transformers",
            dtype="float32",
            max_model_length=max_model_length,
            chat_format=chat_format_digest(resolve_prompting(self._model).chat_format),
        )

    def assess_settings(self) -> dict[str, Any]:
        """Return the settings with which a stage lets the model score pairs, if there is one."""
        return {
            "model": self.model_settings(700) if self._model else None,
            "random_seed": 0,
            "levels": ("Quality",),
            "rubric": "Simple",
            "scoring": "Sampled",
            "decoding": "Constrained",
            "prompt_format": "Chat",
            "sampling": Sampling(temperature=1.0, top_p=1.0, max_tokens=16),
            "language": "en",
            "rules": "None",
            "templates": self.templates(),
        }

    def templates(self) -> str:
        """Store the built-in templates and return their digest."""
        return self.inputs.put(dump_templates(TemplateLibrary(), VARIABLES))

    def run(
        self, kind: str, settings: StageSettings, items: int | None = None, key: str = KEY
    ) -> StageResult:
        """Run a stage of this kind and return its result."""
        step = Step(
            id=f"i1/{kind}",
            kind=kind,
            version=STAGE_VERSIONS[StageKind(kind)],
            key=key,
            iteration=1,
            settings=settings.canonical(),
            inputs={role: (of,) for role, of in self._roles.items()},
            items=items,
        )
        order = StageOrder(
            run=RUN,
            store=parse_store_uri(str(self._folder)),
            sources=Sources(model=str(self._model or "/nowhere"), **self.judge),
            steps=(step,),
        )
        worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())
        return worker.run(order)

    def rows(self, codec: RowCodec[Any], key: str = KEY) -> list[Any]:
        """Return the rows that a stage has committed."""
        return [codec.decode(line) for line in self.artifacts.read_lines(key)]


def statistics(result: StageResult) -> Mapping[str, float]:
    """Return the statistics of a committed stage."""
    assert result.exit_code == 0, result
    return result.steps[0].statistics
