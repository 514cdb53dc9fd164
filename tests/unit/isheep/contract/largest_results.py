"""The largest result that a run of the schema can have.

Each number and each digest is drawn, because equal ones would be compressed.
"""

from __future__ import annotations

import hashlib
import random
import string
from collections.abc import Callable

from isheep.api.curation import MAX_BENCHMARKS as MAX_DECONTAMINATION
from isheep.api.evaluation import MAX_BENCHMARKS, MAX_JUDGEMENTS
from isheep.contract.prepared import (
    ChatFormatRef,
    Prepared,
    PreparedBenchmark,
    PreparedJudge,
    ScoreLabelsRef,
)

LONGEST_ARCHITECTURE = "Qwen3OmniMoeThinkerTextPreTrainedModelForConditionalGeneration"
NAME_CHARACTERS = 32
"""The largest length of the name of a benchmark or a judgement of `evaluation`."""
REVISION_CHARACTERS = 128
END_TOKENS = 8
"""More tokens that end a text than any known model names."""
VOCABULARY = 262_144


def names(number: int, length: int) -> list[str]:
    """Return different names of this length."""
    return [f"{n:02}".ljust(length, "x") for n in range(number)]


def largest_prepared(
    decontamination: int = MAX_DECONTAMINATION,
    *,
    benchmarks: int = MAX_BENCHMARKS,
    judgements: int = MAX_JUDGEMENTS,
    end_tokens: int = END_TOKENS,
    memorization: bool = False,
) -> Prepared:
    """Return what prepare finds for a run with all inputs, with these numbers of them."""
    chance = random.Random(0)

    def digest() -> str:
        return hashlib.sha256(chance.randbytes(8)).hexdigest()

    def tokens(number: int) -> tuple[int, ...]:
        return tuple(chance.sample(range(VOCABULARY // 2, VOCABULARY), number))

    names_of_evaluation = names(benchmarks - memorization + judgements, NAME_CHARACTERS)
    evaluation = {
        name: _benchmark(chance, digest(), ("Raw", "Chat")) for name in names_of_evaluation
    }
    return Prepared(
        model_digest=digest(),
        model_revision=_revision(chance),
        architecture=LONGEST_ARCHITECTURE,
        seed_tasks_digest=digest(),
        seed_tasks_count=chance.randrange(10**5, 10**6),
        templates_digest=digest(),
        score_templates_digest=digest(),
        benchmarks={name: digest() for name in names(decontamination, 253)},
        engine="Transformers",
        dtype="bfloat16",
        max_model_length=chance.randrange(10**5, 10**6),
        chat_format=ChatFormatRef(
            kind="Own",
            digest=digest(),
            end_of_turn_ids=(stops := tokens(end_tokens))[:1],
            stop_token_ids=stops,
        ),
        thinking_chat_format=digest(),
        score_labels={
            "Raw": ScoreLabelsRef(kind="DigitsAfterNewline", token_ids=tokens(10)),
            "Chat": ScoreLabelsRef(kind="LettersAfterNewline", token_ids=tokens(10)),
        },
        evaluation=evaluation,
        memorization=_benchmark(chance, digest(), ("Raw",)) if memorization else None,
        evaluation_texts=digest(),
        harness="0.4.13",
        judge=_judge(chance, digest),
    )


def _benchmark(chance: random.Random, digest: str, formats: tuple[str, ...]) -> PreparedBenchmark:
    """Return a benchmark with the most requests; a multiple choice item has several of them."""
    requests = {one: chance.randrange(10**7, 10**8) for one in formats}
    return PreparedBenchmark(
        digest=digest, requests=requests, length=chance.randrange(10**5, 10**6)
    )


def _revision(chance: random.Random) -> str:
    """Return the longest revision of a spec; a mirror has that and no commit."""
    return "".join(chance.choices(string.ascii_letters + string.digits, k=REVISION_CHARACTERS))


def _judge(chance: random.Random, digest: Callable[[], str]) -> PreparedJudge:
    return PreparedJudge(
        digest=digest(),
        revision=_revision(chance),
        dtype="bfloat16",
        max_model_length=chance.randrange(10**5, 10**6),
        chat_format=digest(),
    )
