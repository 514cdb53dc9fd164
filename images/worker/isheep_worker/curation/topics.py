"""From the completions of a round to topics (SELF-ALIGN, step 1); `gathering.py` has the loop.

A topic has only a few words, for which ROUGE-L has little meaning, so two topics are the same if
their words are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from isheep.contract.choices import DropLast
from isheep_worker.curation.gathering import GatheredRound, gather_round, in_canonical_order
from isheep_worker.rows.row_ids import instruction_id
from isheep_worker.rows.schema import CompletionRow, TopicRow
from isheep_worker.rules.drop_reasons import REPEATED_TOPIC
from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.topic import TOPIC_RULES
from isheep_worker.task_lists.topics import TopicList
from isheep_worker.text.parsing import ParsedCompletion, ParsedTask
from isheep_worker.text.tokenization import words

CollectedTopics: TypeAlias = GatheredRound[TopicRow]


def collect_topics(
    completions: Iterable[CompletionRow],
    *,
    iteration: int,
    count: int,
    exemplars: int,
    drop_last: DropLast,
    seeds: Iterable[str],
    previous: Sequence[TopicRow] = (),
) -> CollectedTopics:
    """Return the accepted topics of the rounds up to this one.

    Args:
        completions: The completions of the round, in any order.
        iteration: The number of the iteration, for ids.
        count: The maximum number of topics of all rounds together.
        exemplars: The number of topics in each prompt.
        drop_last: Whether the last topic of a completion is dropped only if it was cut, or always.
        seeds: The seed topics, which no topic may repeat.
        previous: The topics that earlier rounds accepted, which no topic may repeat.

    Returns:
        The accepted rows of all rounds, and the counts of this round.
    """
    known = {_identity(topic) for topic in seeds} | {_identity(row.topic) for row in previous}

    def parse(completion: CompletionRow) -> ParsedCompletion:
        listed = TopicList().parse(
            completion.text,
            exemplars=exemplars,
            cut=completion.finish_reason == "length",
            drop_last=drop_last,
        )
        tasks = (replace(task, instruction=_bare(task.instruction)) for task in listed.tasks)
        return replace(listed, tasks=tuple(tasks))

    return gather_round(
        in_canonical_order(completions),
        count=count,
        previous=previous,
        parse=parse,
        drop=lambda task: _drop(task.instruction, known),
        row=lambda completion, task: _row(iteration, completion, task),
    )


def _bare(topic: str) -> str:
    return topic.rstrip(" .,;")


def _drop(topic: str, known: set[tuple[str, ...]]) -> Drop | None:
    """Return why a topic is dropped, or add an accepted topic to `known` and return None."""
    drop = first_drop(TOPIC_RULES, topic)
    if drop is None and _identity(topic) in known:
        drop = Drop(REPEATED_TOPIC.name, "another topic has the same words")
    if drop is None:
        known.add(_identity(topic))
    return drop


def _identity(topic: str) -> tuple[str, ...]:
    return tuple(words(topic))


def _row(iteration: int, completion: CompletionRow, task: ParsedTask) -> TopicRow:
    return TopicRow(
        id=instruction_id(iteration, completion.round, completion.completion, task.position),
        topic=task.instruction,
        round=completion.round,
        completion=completion.completion,
        position=task.position,
    )
