"""From a round's completions to topics, gathered as `gathering.py` says.

Topics are a few words, of which ROUGE-L says little, so two are the same if their
words are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from isheep_worker.curation.curate import instruction_id
from isheep_worker.curation.gathering import GatheredRound, gather_round, in_canonical_order
from isheep_worker.rows.schema import CompletionRow, TopicRow
from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.topic import TOPIC_RULES
from isheep_worker.task_lists.topics import TopicList
from isheep_worker.text.parsing import DropLast, ParsedCompletion, ParsedTask
from isheep_worker.text.tokenization import words

REPEATED = "repeated_topic"


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
    """Return the topics, at most `count`, once a round's completions, in any order, are read.

    None repeats one of the `seeds` or of the earlier rounds' (`previous`); `exemplars` is
    how many each prompt showed.
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
    """Return why a topic is not accepted; an accepted one has joined those that are known."""
    drop = first_drop(TOPIC_RULES, topic)
    if drop is None and _identity(topic) in known:
        drop = Drop(REPEATED, "these words are there already")
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
