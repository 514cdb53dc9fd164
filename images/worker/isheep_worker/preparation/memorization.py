"""The items of benchmarks that M(0) completes from their first half: their requests.

The items of all benchmarks are in one document, because the result of prepare has little room. M(0)
is asked in raw text: the items were in its training data as raw text, if at all.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import PreparedBenchmark
from isheep_worker.evaluation.memorization import put_items
from isheep_worker.evaluation.requests import longest_length
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.preparation.evaluation import DEFAULT_LENGTH, PreparedEvaluation
from isheep_worker.preparation.model import LENGTH_STEP
from isheep_worker.templates.prompting import Prompting


def prepare_memorization(
    spec: SelfAlignmentRunSpec,
    evaluation: PreparedEvaluation | None,
    inputs: Inputs,
    *,
    prompting: Prompting,
    own_length: int | None,
) -> PreparedBenchmark | None:
    """Store the requests for the completion of items; None if no item is asked.

    Args:
        spec: The run.
        evaluation: The prepared benchmarks with their items.
        inputs: The store's inputs.
        prompting: The renderer of the prompts of the run's model.
        own_length: The longest text that the model was made for, in tokens, None if unknown.
    """
    if evaluation is None or not evaluation.items:
        return None
    length = spec.engine.vllm.max_model_length or own_length or DEFAULT_LENGTH
    digest, requests = put_items(inputs, evaluation.items, prompting.renderer.raw, length)
    if not requests:
        return None
    needed = longest_length(requests)
    return PreparedBenchmark(
        digest=digest,
        requests={"Raw": len(requests)},
        length=min(-(-needed // LENGTH_STEP) * LENGTH_STEP, length),
    )
