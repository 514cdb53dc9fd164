"""measure: compute the losses of each pair with M(t-1), and its vector for clusters (Table 3).

The pair rules run first, because a pair that they drop needs no forward pass. The loss of a
response is computed after its zero-shot prompt, which is the prompt of respond and of the training
of M(t). The end of the turn is left out: a response that was cut has none, and a base model without
a chat template has not learned it.

The stage samples nothing, so it uses `measures.loss_model` instead of an engine. It closes the
engine of an earlier stage first, because the device's memory does not hold both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

from isheep.contract.rule_names import DROP
from isheep.recipes.settings import MeasureSettings
from isheep_worker.execution.commit import commit_parts
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import item_count
from isheep_worker.execution.missing_parts import MissingParts
from isheep_worker.execution.parts import FilledPart, part_count
from isheep_worker.measures.perplexity import bin_of
from isheep_worker.measures.texts import TextMeasure, TokenText, batches
from isheep_worker.measures.vectors import encode_vector
from isheep_worker.rows.schema import MEASURES, PAIRS, MeasureRow, PairRow
from isheep_worker.rules.drop_reasons import (
    MEASURE_NO_TOKENS,
    MEASURE_NOT_FINITE,
    MEASURE_TOO_LONG,
)
from isheep_worker.rules.response import pair_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.prompting import load_library, load_prompting, task_prompt


def run(context: StageContext[MeasureSettings]) -> StageOutcome:
    """Measure this worker's parts, and commit the stage if all its parts exist."""
    items = item_count(context)
    missing = MissingParts(context, items)
    if missing.numbers:
        with closing(_Measurement(context)) as measurement:
            for part in missing.numbers:
                rows = measurement.part(part)
                lines = [MEASURES.encode(row) for row in rows]
                missing.write(part, FilledPart(lines, _statistics(rows)))

    def statistics(sums: Mapping[str, float]) -> Mapping[str, float]:
        return {**_with_means(sums), "modelLoads": int(bool(missing.numbers))}

    return commit_parts(context, part_count(items), statistics)


class _Measurement:
    """The loaded model of a stage, and the renderer that makes token ids from pairs."""

    def __init__(self, context: StageContext[MeasureSettings]) -> None:
        settings = context.settings
        self._context = context
        self._rules = rule_set(settings.rules, settings.language).pair_rules
        self._library = load_library(context.inputs, settings.templates)
        context.engines.close()
        keys = context.step.inputs.get("model", ())
        with context.meter.measure(Activity.LOAD):
            from isheep_worker.measures.loss_model import LossModel  # noqa: PLC0415 (heavy)

            prompting = load_prompting(context.models.tokenizer(), settings.model.chat_format)
            self._renderer = prompting.renderer
            weights = context.models.weights(settings.model, keys)
            self._model = LossModel(
                weights.folder,
                settings.model.dtype,
                context.order.runtime.memory_reduction,
                vectors=settings.vectors,
                adapter=weights.adapter,
            )

    def close(self) -> None:
        """Release the model and its memory."""
        self._model.close()

    def part(self, part: int) -> list[MeasureRow]:
        """Return the rows of a part, in the order of its pairs."""
        source = self._context.input_key("pairs")
        pairs = [PAIRS.decode(line) for line in self._context.artifacts.read_part(source, part)]
        prepared = {pair.id: self._text(pair) for pair in pairs}
        rows = {id_: row for id_, row in prepared.items() if isinstance(row, MeasureRow)}
        texts = [text for text in prepared.values() if isinstance(text, TokenText)]
        for batch in batches(texts, self._model.tokens_at_once):
            self._context.stop.check()
            with self._context.meter.measure(Activity.ENGINE):
                measures = self._model.measure(batch)
            rows |= {text.id: _row(text, m) for text, m in zip(batch, measures, strict=True)}
        return [rows[pair.id] for pair in pairs]

    def _text(self, pair: PairRow) -> TokenText | MeasureRow:
        """Return a pair as token ids, or the row with the reason why it has no measures."""
        if (drop := pair_drop(self._rules, pair)) is not None:
            return MeasureRow(pair.id, rule=drop.rule)
        settings = self._context.settings
        prompt = task_prompt(
            self._library, self._renderer, settings.prompt_format, pair.instruction, pair.input
        )
        text = TokenText(pair.id, prompt, self._renderer.text(pair.response))
        if not text.prompt_ids or not text.response_ids:
            return MeasureRow(pair.id, reason=MEASURE_NO_TOKENS.name)
        if len(text) > settings.model.max_model_length:
            return MeasureRow(pair.id, reason=MEASURE_TOO_LONG.name)
        return text


def _row(text: TokenText, measure: TextMeasure) -> MeasureRow:
    """Return the measures of a text as a row, or a row with a reason if one is not finite."""
    losses = (measure.response_loss, measure.pair_loss)
    vector = None if measure.vector is None else encode_vector(measure.vector)
    if not all(map(math.isfinite, losses)) or (measure.vector is not None and vector is None):
        return MeasureRow(text.id, reason=MEASURE_NOT_FINITE.name)
    return MeasureRow(
        text.id,
        response_loss=measure.response_loss,
        pair_loss=measure.pair_loss,
        response_tokens=len(text.response_ids),
        pair_tokens=len(text) - 1,
        vector=vector,
    )


def _statistics(rows: Sequence[MeasureRow]) -> dict[str, float]:
    """Return the counts of a part, its perplexities by bin, and the sums of its losses."""
    counts: Counter[str] = Counter(pairs=len(rows), measured=0)
    sums = {"Response": 0.0, "Pair": 0.0}
    for row in rows:
        if row.rule is not None:
            counts[DROP + row.rule] += 1
        elif row.reason is not None:
            counts[DROP + row.reason] += 1
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
    """Return the stage's statistics: each `sum:` of losses is replaced by the mean `meanLoss:`."""
    statistics = {name: value for name, value in sums.items() if not name.startswith("sum:")}
    measured = sums.get("measured")
    if measured:
        for name in ("Response", "Pair"):
            statistics[f"meanLoss:{name}"] = sums[f"sum:{name}"] / measured
    return statistics
