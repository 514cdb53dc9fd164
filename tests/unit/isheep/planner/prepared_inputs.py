"""The results of prepare in the tests of the planner."""

from __future__ import annotations

import hashlib

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import ChatFormatRef, Prepared, PreparedBenchmark


def prepared_for(source: str = "hf://org/model") -> Prepared:
    """Return the result of prepare for a model."""
    return Prepared(
        model_digest=f"model of {source}",
        model_revision="commit-1",
        architecture="Llama",
        seed_tasks_digest="seeds",
        seed_tasks_count=60,
        templates_digest="templates",
        engine="VLLM",
        dtype="float32",
        max_model_length=2048,
        chat_format=ChatFormatRef(
            kind="ChatML", digest="chat", end_of_turn_ids=(2,), stop_token_ids=(2,)
        ),
    )


def with_evaluation(prepared: Prepared, spec: SelfAlignmentRunSpec) -> Prepared:
    """Return the result of prepare with 130 requests for each benchmark and judgement."""
    if spec.evaluation is None:
        return prepared
    found = {
        one.name: PreparedBenchmark(
            digest=hashlib.sha256(one.task.encode()).hexdigest(),
            requests={"Raw": 130, "Chat": 130},
            length=512,
        )
        for one in spec.evaluation.benchmarks
    }
    found |= {
        one.name: PreparedBenchmark(
            digest=hashlib.sha256(one.name.encode()).hexdigest(),
            requests={"Raw": 130, "Chat": 130},
            length=512,
        )
        for one in spec.evaluation.judgements or ()
    }
    return prepared.model_copy(update={"evaluation": found, "harness": "0.4.13"})
