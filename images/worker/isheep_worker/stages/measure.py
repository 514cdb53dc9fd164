"""measure: M(t-1) reads each pair: its perplexity, and its vector where one is wanted (Table 3).

The pair rules come first: what they drop is not worth a forward pass. A response is
read after the prompt that asks for it zero-shot, which is how respond asks, and how M(t)
is trained. The end of the turn is not read: a response that was cut has none, and a base
model that was asked without a chat's form does not know it.

Nothing is sampled, so there is no engine here: see `measures.reader`. The engine that
an earlier stage has left goes, because both need the memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

from isheep.recipes.settings import MeasureSettings
from isheep_worker.execution.commit import commit_parts
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import item_count
from isheep_worker.execution.missing_parts import MissingParts
from isheep_worker.execution.parts import FilledPart, part_count
from isheep_worker.measures.perplexity import bin_of
from isheep_worker.measures.texts import Reading, TokenText, batches
from isheep_worker.measures.vectors import encode_vector
from isheep_worker.rows.schema import MEASURES, PAIRS, MeasureRow, PairRow
from isheep_worker.rules.response import pair_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.prompting import load_library, load_prompting, task_prompt

TOO_LONG = "unscorable:too-long"
NO_TOKENS = "unscorable:no-tokens"
NOT_FINITE = "unscorable:not-finite"


def run(context: StageContext[MeasureSettings]) -> StageOutcome:
    """Measure this worker's parts; commit if all parts are there."""
    items = item_count(context)
    missing = MissingParts(context, items)
    if missing.numbers:
        with closing(_Measuring(context)) as measuring:
            for part in missing.numbers:
                rows = measuring.part(part)
                lines = [MEASURES.encode(row) for row in rows]
                missing.write(part, FilledPart(lines, _statistics(rows)))

    def statistics(sums: Mapping[str, float]) -> Mapping[str, float]:
        return {**_with_means(sums), "modelLoads": int(bool(missing.numbers))}

    return commit_parts(context, part_count(items), statistics)


class _Measuring:
    """The model of a stage, loaded, and what makes token ids of pairs."""

    def __init__(self, context: StageContext[MeasureSettings]) -> None:
        settings = context.settings
        self._context = context
        self._rules = rule_set(settings.rules, settings.language).pair_rules
        self._library = load_library(context.inputs, settings.templates)
        context.engines.close()
        keys = context.step.inputs.get("model", ())
        with context.meter.measure(Activity.LOAD):
            from isheep_worker.measures.reader import Reader  # noqa: PLC0415 (heavy)

            prompting = load_prompting(context.models.tokenizer(), settings.model.chat_format)
            self._renderer = prompting.renderer
            weights = context.models.weights(settings.model, keys)
            self._reader = Reader(
                weights.folder,
                settings.model.dtype,
                context.order.runtime.memory_reduction,
                vectors=settings.vectors,
                adapter=weights.adapter,
            )

    def close(self) -> None:
        """Drop the model."""
        self._reader.close()

    def part(self, part: int) -> list[MeasureRow]:
        """Return the rows of a part, in the order of its pairs."""
        source = self._context.input_key("pairs")
        pairs = [PAIRS.decode(line) for line in self._context.artifacts.read_part(source, part)]
        read = {pair.id: self._text(pair) for pair in pairs}
        rows = {id_: row for id_, row in read.items() if isinstance(row, MeasureRow)}
        texts = [text for text in read.values() if isinstance(text, TokenText)]
        for batch in batches(texts, self._reader.tokens_at_once):
            self._context.stop.check()
            with self._context.meter.measure(Activity.ENGINE):
                readings = self._reader.read(batch)
            rows |= {text.id: _row(text, r) for text, r in zip(batch, readings, strict=True)}
        return [rows[pair.id] for pair in pairs]

    def _text(self, pair: PairRow) -> TokenText | MeasureRow:
        """Return a pair as token ids, or the row that says why it is not read."""
        if (drop := pair_drop(self._rules, pair)) is not None:
            return MeasureRow(pair.id, rule=drop.rule)
        settings = self._context.settings
        prompt = task_prompt(
            self._library, self._renderer, settings.prompt_format, pair.instruction, pair.input
        )
        text = TokenText(pair.id, prompt, self._renderer.text(pair.response))
        if not text.prompt_ids or not text.response_ids:
            return MeasureRow(pair.id, reason=NO_TOKENS)
        if len(text) > settings.model.max_model_length:
            return MeasureRow(pair.id, reason=TOO_LONG)
        return text


def _row(text: TokenText, reading: Reading) -> MeasureRow:
    """Return a reading as a row; numbers that are none, or have no end, are no measure."""
    losses = (reading.response_loss, reading.pair_loss)
    vector = None if reading.vector is None else encode_vector(reading.vector)
    if not all(map(math.isfinite, losses)) or (reading.vector is not None and vector is None):
        return MeasureRow(text.id, reason=NOT_FINITE)
    return MeasureRow(
        text.id,
        response_loss=reading.response_loss,
        pair_loss=reading.pair_loss,
        response_tokens=len(text.response_ids),
        pair_tokens=len(text) - 1,
        vector=vector,
    )


def _statistics(rows: Sequence[MeasureRow]) -> dict[str, float]:
    """Return a part's counts, its perplexities by bin, and its sums of losses."""
    counts: Counter[str] = Counter(pairs=len(rows), measured=0)
    sums = {"Response": 0.0, "Pair": 0.0}
    for row in rows:
        if row.rule is not None:
            counts[f"drop:rule-{row.rule}"] += 1
        elif row.reason is not None:
            counts[f"drop:{row.reason.replace(':', '-')}"] += 1
        losses = {"Response": row.response_loss, "Pair": row.pair_loss}
        for name, loss in losses.items():
            if loss is not None:
                counts[f"perplexity:{name}:{bin_of(loss)}"] += 1
                sums[name] += loss
        counts["measured"] += row.rule is None and row.reason is None
        counts["responseTokens"] += row.response_tokens
        counts["pairTokens"] += row.pair_tokens
    return {**counts, **{f"sum:{name}": total for name, total in sums.items()}}


def _with_means(sums: Mapping[str, float]) -> dict[str, float]:
    """Return the stage's statistics: each `sum:` of losses becomes their `meanLoss:`."""
    statistics = {name: value for name, value in sums.items() if not name.startswith("sum:")}
    measured = sums.get("measured")
    if measured:
        for name in ("Response", "Pair"):
            statistics[f"meanLoss:{name}"] = sums[f"sum:{name}"] / measured
    return statistics
