"""instantiate: M(t-1) writes instances of each instruction; each instance becomes a pair.

As in Self-Instruct, the prompts are raw text with worked examples. The model writes the outputs of
classification tasks first, and the inputs of other tasks first. The pair rules run here, because
one of them compares all instances of an instruction. Each instance that passes gets its own id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from isheep.contract.rule_names import DROP
from isheep.recipes.settings import InstantiateSettings
from isheep_worker.engines.interface import Completion
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.inference import (
    Inference,
    Prompt,
    commit_inference,
    complete_prompts,
    fill_own_parts,
    item_count,
)
from isheep_worker.execution.parts import FilledPart, PartProgram
from isheep_worker.execution.single_writer import drop_examples, drop_statistics
from isheep_worker.instances.input_first import InputFirst
from isheep_worker.instances.interface import Instance, InstanceForm
from isheep_worker.instances.output_first import OutputFirst
from isheep_worker.rows.schema import (
    CLASSES,
    INSTRUCTIONS,
    PAIRS,
    ClassRow,
    InstructionRow,
    PairRow,
)
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.drop_reasons import REPEATED_INSTANCE
from isheep_worker.rules.interface import Drop
from isheep_worker.rules.response import pair_drop
from isheep_worker.rules.sets import RuleSet, rule_set
from isheep_worker.templates.longest_prompts import Known, LongestPrompt
from isheep_worker.text.comparison import comparable
from isheep_worker.text.parse_failures import ParseFailure


def run(context: StageContext[InstantiateSettings]) -> StageOutcome:
    """Instantiate this worker's parts, and commit the stage if all its parts exist."""
    settings = context.settings
    tasks, classes = context.input_key("instructions"), context.input_key("classified")
    items = item_count(context)
    rules = rule_set(settings.rules, settings.language)
    inference = Inference(context, settings.model, settings.templates)
    seen = DropCounts()

    def program(part: int) -> PartProgram:
        rows = [INSTRUCTIONS.decode(line) for line in context.artifacts.read_part(tasks, part)]
        kinds = [CLASSES.decode(line) for line in context.artifacts.read_part(classes, part)]
        return _part(context, inference, _with_forms(rows, kinds), _Tally(rules, seen), part)

    fill_own_parts(context, items, inference, program)
    return commit_inference(context, items, inference, examples=drop_examples(seen))


def longest_prompts(settings: InstantiateSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the prompt of one task in each form. Its worked examples are most of its length."""
    for form in (InputFirst(), OutputFirst()):
        yield LongestPrompt(
            form.template,
            form.prompt(known.library, known.task.instruction),
            settings.sampling.max_tokens,
            field="selfInstruct.instanceSampling",
        )


def _with_forms(
    rows: Sequence[InstructionRow], classes: Sequence[ClassRow]
) -> list[tuple[InstructionRow, InstanceForm]]:
    """Return each instruction with the form in which its instances are written."""
    tasks: list[tuple[InstructionRow, InstanceForm]] = []
    for row, kind in zip(rows, classes, strict=True):
        if row.id != kind.id:
            raise ValueError(f"the class of {kind.id} is at the position of {row.id}")
        tasks.append((row, OutputFirst() if kind.is_classification else InputFirst()))
    return tasks


def _part(
    context: StageContext[InstantiateSettings],
    inference: Inference,
    tasks: Sequence[tuple[InstructionRow, InstanceForm]],
    tally: _Tally,
    part: int,
) -> PartProgram:
    settings = context.settings
    library, renderer = inference.library, inference.renderer
    prompts = {
        row.id: Prompt(
            renderer.raw(form.prompt(library, row.instruction)), form.stop(settings.max_instances)
        )
        for row, form in tasks
    }
    found, tokens = yield from complete_prompts(context, inference, part, prompts)
    pairs: list[PairRow] = []
    for row, form in tasks:
        answer = found.get(row.id)
        if answer is None:
            tally.failures[ParseFailure.TOO_LONG] += 1
            continue
        parsed = form.parse(
            answer.text, most=settings.max_instances, cut=answer.finish_reason == "length"
        )
        tally.failures.update(parsed.failures)
        pairs += tally.passing(
            [
                _pair(row, number, instance, answer)
                for number, instance in enumerate(parsed.instances, start=1)
            ]
        )
    return FilledPart(
        [PAIRS.encode(pair) for pair in pairs],
        {
            "instructions": len(tasks),
            "pairs": len(pairs),
            **tally.statistics(),
            **tokens,
        },
    )


def _pair(row: InstructionRow, number: int, instance: Instance, answer: Completion) -> PairRow:
    """Return an instance as a pair. Its token counts are those of the task's whole completion."""
    return PairRow(
        id=f"{row.id}-k{number}",
        instruction=row.instruction,
        input=instance.input,
        response=instance.output,
        finish_reason="stop",
        prompt_tokens=answer.prompt_tokens,
        tokens=answer.tokens,
    )


class _Tally:
    """Filters instances and counts the drops of a part; `seen` keeps examples for the report."""

    def __init__(self, rules: RuleSet, seen: DropCounts) -> None:
        self._rules = rules
        self._seen = seen
        self._drops = DropCounts()
        self._parsed = 0
        self.failures: Counter[str] = Counter()

    def passing(self, instances: Sequence[PairRow]) -> list[PairRow]:
        """Return the instances of one instruction that pass all rules, without repetitions."""
        self._parsed += len(instances)
        passed: dict[tuple[str, str], PairRow] = {}
        for pair in instances:
            drop = pair_drop(self._rules.pair_rules, pair)
            identity = comparable(pair.input), comparable(pair.response)
            if drop is None and identity in passed:
                drop = Drop(REPEATED_INSTANCE.name, pair.input)
            if drop is None:
                passed[identity] = pair
            else:
                self._drop(drop, pair)
        rest = list(passed.values())
        for rule in self._rules.group_rules:
            detail = rule.check(rest)
            if detail is not None:
                for pair in rest:
                    self._drop(Drop(rule.name, detail), pair)
                return []
        return rest

    def statistics(self) -> dict[str, float]:
        """Return the number of parsed instances, and the number of drops of each rule."""
        parse = {DROP + kind: count for kind, count in self.failures.items()}
        return {"parsed": self._parsed, **parse, **drop_statistics(self._drops)}

    def _drop(self, drop: Drop, pair: PairRow) -> None:
        text = f"{pair.instruction} {pair.input} -> {pair.response}"
        self._drops.add(drop, text)
        self._seen.add(drop, text)
