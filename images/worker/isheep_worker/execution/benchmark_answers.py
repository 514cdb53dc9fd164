"""The answers of a model to the requests of a prepared benchmark, part by part.

The requests contain token ids and all settings, so no template and no chat format is needed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from isheep.recipes.evaluation_settings import EvaluateSettings
from isheep_worker.engines.interface import Request
from isheep_worker.evaluation.requests import RenderedRequest, engine_requests, output_of
from isheep_worker.evaluation.stored import get_benchmark, get_requests
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    commit_inference,
    fill_own_parts,
    item_count,
    token_statistics,
)
from isheep_worker.execution.parts import FilledPart, PartProgram, part_items
from isheep_worker.rows.schema import OUTPUTS, OutputRow


def answer_benchmark(context: StageContext[EvaluateSettings], digest: str) -> StageOutcome:
    """Answer this worker's parts of a benchmark, and commit the stage if all its parts exist."""
    settings = context.settings
    items = item_count(context)
    stored = get_benchmark(context.inputs, digest)
    requests = get_requests(context.inputs, stored, settings.prompt_format)
    inference = Inference(context, settings.model)

    def program(part: int) -> PartProgram:
        some = [requests[item] for item in part_items(part, items)]
        return _part(some, settings.random_seed, part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference)


def _part(requests: Sequence[RenderedRequest], seed: int, part: int) -> PartProgram:
    asked = [_numbered(request, seed, part, n) for n, request in enumerate(requests)]
    completions = yield [one for some in asked for one in some]
    found = {completion.id: completion for completion in completions}
    rows = []
    for request, some in zip(requests, asked, strict=True):
        output = output_of(request, [found[one.id] for one in some])
        rows.append(OutputRow(request.id, output.logprob, output.is_greedy, output.text))
    statistics = {"items": len(rows), **token_statistics(completions)}
    return FilledPart([OUTPUTS.encode(row) for row in rows], statistics)


def _numbered(request: RenderedRequest, seed: int, part: int, n: int) -> list[Request]:
    """Return the engine's requests with the ids of this stage: part, window and item."""
    return [
        replace(one, id=f"{part}/{window}/{n}")
        for window, one in enumerate(engine_requests(request, seed))
    ]
