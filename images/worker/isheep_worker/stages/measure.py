"""measure: compute the losses of each pair with M(t-1), and its vector for clusters (Table 3).

The pair rules run first, because a pair that they drop needs no forward pass. If the perplexity is
that of the paper's scripts (`given` is Nothing), the response and the whole pair are separate plain
texts. Otherwise the loss of a response is computed after its zero-shot prompt, which is the
prompt of respond and of the training of M(t). The end of the turn is left out: a response that was
cut has none, and a base model without a chat template has not learned it.

The stage samples nothing, so it uses `measures.loss_model` instead of an engine. It closes the
engine of an earlier stage first, because the device's memory does not hold both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

from isheep.contract.rule_names import DROP
from isheep.recipes.interface import part_count
from isheep.recipes.settings import MeasureSettings
from isheep_worker.execution.commit import commit_parts
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import item_count
from isheep_worker.execution.missing_parts import MissingParts
from isheep_worker.execution.parts import FilledPart
from isheep_worker.measures.perplexity import bin_of
from isheep_worker.measures.texts import TextMeasure, batches
from isheep_worker.measures.vectors import encode_vector
from isheep_worker.rows.schema import MEASURES, PAIRS, MeasureRow, PairRow
from isheep_worker.rules.drop_reasons import (
    MEASURE_NO_TOKENS,
    MEASURE_NOT_FINITE,
    MEASURE_TOO_LONG,
)
from isheep_worker.rules.response import judged, pair_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.measured_texts import PairTexts, plain_texts, prompted_texts
from isheep_worker.templates.prompting import load_library, load_prompting


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
        self._rules = rule_set(settings.rules, settings.language, settings.cut).pair_rules
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
        prepared = {pair.id: self._texts(pair) for pair in pairs}
        texts = {
            text.id: text
            for both in prepared.values()
            if isinstance(both, PairTexts)
            for text in (both.response, both.pair)
        }
        measures: dict[str, TextMeasure] = {}
        for batch in batches(list(texts.values()), self._model.tokens_at_once):
            self._context.stop.check()
            with self._context.meter.measure(Activity.ENGINE):
                found = self._model.measure(batch)
            measures |= {text.id: measure for text, measure in zip(batch, found, strict=True)}
        return [
            _row(id_, both, measures) if isinstance(both, PairTexts) else both
            for id_, both in prepared.items()
        ]

    def _texts(self, pair: PairRow) -> PairTexts | MeasureRow:
        """Return the texts of a pair, or the row with the reason why it has no measures."""
        settings = self._context.settings
        if (drop := pair_drop(self._rules, judged(pair, settings.thinking))) is not None:
            return MeasureRow(pair.id, rule=drop.rule)
        if settings.given == "Nothing":
            texts = plain_texts(self._library, self._renderer, pair)
        else:
            texts = prompted_texts(self._library, self._renderer, settings.prompt_format, pair)
        if texts is None:
            return MeasureRow(pair.id, reason=MEASURE_NO_TOKENS.name)
        if len(texts.pair) > settings.model.max_model_length:
            return MeasureRow(pair.id, reason=MEASURE_TOO_LONG.name)
        return texts


def _row(id_: str, texts: PairTexts, measures: Mapping[str, TextMeasure]) -> MeasureRow:
    """Return the measures of a pair as a row, or a row with a reason if one is not finite."""
    response, pair = measures[texts.response.id], measures[texts.pair.id]
    losses = (response.response_loss, pair.pair_loss)
    vector = None if pair.vector is None else encode_vector(pair.vector)
    if not all(map(math.isfinite, losses)) or (pair.vector is not None and vector is None):
        return MeasureRow(id_, reason=MEASURE_NOT_FINITE.name)
    return MeasureRow(
        id_,
        response_loss=response.response_loss,
        pair_loss=pair.pair_loss,
        response_tokens=len(texts.response.response_ids),
        pair_tokens=len(texts.pair) - 1,
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
