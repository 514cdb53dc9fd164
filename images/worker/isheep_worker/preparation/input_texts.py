"""The small inputs of a run: seed tasks, templates and benchmarks.

When a run is prepared again after its status was lost, its order pins the digests of these inputs.
A pinned input is read from the store, because its source may have changed or may be gone. Any other
input is read from its source.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Collection, Sequence

from isheep.contract.choices import PromptFormat
from isheep.contract.order import StageOrder
from isheep.planner import pinning
from isheep_worker.curation.benchmark_files import read_benchmark_file
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.stored import get_benchmark, get_files
from isheep_worker.inputs.seed_tasks import read_seed_file
from isheep_worker.inputs.sources import MAX_UNPACKED_BYTES, SourceReader, Text, read_templates
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.document import get_judgement
from isheep_worker.judging.graded_document import get_graded
from isheep_worker.judging.graded_questions import GradedQuestion, read_graded_questions
from isheep_worker.judging.questions import Question, read_questions
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import load_library

_LOG = logging.getLogger(__name__)


class InputTexts:
    """Reads the small inputs of an order from the store if they are pinned, or from their sources.

    All methods raise `BadInputError` or `SourceUnreachableError` if an input cannot be read.
    """

    def __init__(self, order: StageOrder, inputs: Inputs) -> None:
        self._sources = order.sources
        self._inputs = inputs
        self._reader = SourceReader(order.store, self._sources.mirrors)

    def seed_tasks(self) -> Text:
        """Return the document of the seed tasks, with the name of the user's file for messages."""
        digest = self._sources.pinned.get(pinning.SEED_TASKS)
        if digest is not None:
            return Text(self._inputs.get(digest), "the run's pinned seed tasks")
        text = self._reader.seed_tasks(self._sources.seed_tasks)
        file = read_seed_file(text.content, text.name, MAX_UNPACKED_BYTES)
        for note in file.notes:
            _LOG.warning("%s: %s", text.name, note)
        return Text(file.document, text.name)

    def templates(self) -> TemplateLibrary:
        """Return the run's templates; raise `PromptTemplateError` if one is invalid."""
        names = (pinning.TEMPLATES, pinning.SCORE_TEMPLATES)
        digests = [d for name in names if (d := self._sources.pinned.get(name)) is not None]
        if digests:
            return load_library(self._inputs, *digests)
        return TemplateLibrary(read_templates(self._sources.templates))

    def benchmarks(self) -> dict[str, bytes]:
        """Return the texts of each benchmark, one JSON string a line; raise `BenchmarkError`."""
        return {name: self._benchmark(name) for name in sorted(self._sources.benchmarks)}

    def evaluation(self, name: str) -> TaskFiles | None:
        """Return the data of an evaluation's benchmark; None for the data set of the hub."""
        digest = self._sources.pinned.get(f"{pinning.EVALUATION}{name}")
        if digest is not None:
            return get_files(self._inputs, get_benchmark(self._inputs, digest))
        if name not in self._sources.evaluation:
            return None
        field = f"evaluation.benchmarks[{name}].storageUri"
        found = self._reader.read_files(self._sources.evaluation[name], field)
        return TaskFiles(found.name, found.files, found.is_folder)

    def pinned_formats(self, name: str) -> Collection[PromptFormat] | None:
        """Return the prompt formats of a pinned benchmark or judgement; None if none is pinned."""
        digest = self._sources.pinned.get(f"{pinning.EVALUATION}{name}")
        return None if digest is None else get_benchmark(self._inputs, digest).requests.keys()

    def judgement(
        self, name: str, library: TemplateLibrary
    ) -> tuple[Sequence[Question], TemplateLibrary]:
        """Return the questions of a judgement, and the library with its templates.

        `library` has the run's templates; a pinned judgement has templates of its own.
        """
        digest = self._sources.pinned.get(f"{pinning.EVALUATION}{name}")
        if digest is not None:
            stored = get_judgement(self._inputs, digest)
            return stored.questions, stored.library
        text = self._judgement_file(name)
        return read_questions(text.content, text.name), library

    def graded(
        self, name: str, library: TemplateLibrary
    ) -> tuple[Sequence[GradedQuestion], TemplateLibrary]:
        """Return the same for a judgement with grades; see `judgement`."""
        digest = self._sources.pinned.get(f"{pinning.EVALUATION}{name}")
        if digest is not None:
            stored = get_graded(self._inputs, digest)
            return stored.questions, stored.library
        text = self._judgement_file(name)
        return read_graded_questions(text.content, text.name), library

    def _judgement_file(self, name: str) -> Text:
        field = f"evaluation.judgements[{name}].storageUri"
        return self._reader.read(self._sources.evaluation[name], field)

    def _benchmark(self, name: str) -> bytes:
        digest = self._sources.pinned.get(f"{pinning.BENCHMARK}{name}")
        if digest is not None:
            return self._inputs.get(digest)
        field = f"curation.decontamination.benchmarks[{name}].storageUri"
        text = self._reader.read(self._sources.benchmarks[name], field)
        texts = read_benchmark_file(io.BytesIO(text.content), text.name, MAX_UNPACKED_BYTES)
        return "".join(json.dumps(item) + "\n" for item in texts).encode()
