"""The reasons of drops that are not rules over one row, as data.

A stage drops and counts a text for one of these reasons under a name, as it does for a rule: a
completion that the parser cannot read, an instruction that repeats an earlier one, a pair without a
score, a pair that the selection method does not keep. The stage's code imports the name from here,
or from the lower package that this module imports it from.

`docs/reference/rules.md` is made from this table and from the rules. A test runs the code with each
example that is a text, and a test fails if a name has no entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from isheep.contract.choices import CONTAMINATION_NGRAM, MAX_ROUGE_L, Level
from isheep_worker.templates import principles
from isheep_worker.templates.labels import LEAST_MASS
from isheep_worker.templates.parsed_score import HIGHEST, LOWEST
from isheep_worker.text.parse_failures import ParseFailure

LEVEL = "<level>"
"""In the name of an entry: `quality` or `following`."""


@dataclass(frozen=True, slots=True)
class DropReason:
    """A reason with its name, the stages that use it, one sentence, and an example.

    `example` is the dropped text, or a description of it if `is_text` is False. If the reason
    compares two things, `context` is the second thing and `context_name` names it, such as an
    accepted instruction or a field of the spec.
    """

    name: str
    stages: tuple[str, ...]
    drops: str
    example: str
    context_name: str = ""
    context: str = ""
    is_text: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The names as they are counted, one for each level if the name contains a level."""
        return names_of(self.name)


def names_of(name: str) -> tuple[str, ...]:
    """Return the names that an entry is counted under: one, or one for each level."""
    if LEVEL not in name:
        return (name,)
    return tuple(of_level(name, level) for level in get_args(Level))


def of_level(name: str, level: str) -> str:
    """Return the name of an entry for one level, such as `Quality`."""
    return name.replace(LEVEL, level.lower())


def score_failure(reason: str, level: str) -> str:
    """Return the name under which assess counts a pair without a score on a level.

    `unparseable-no-number` on the level `Quality` gives `unparseable-quality-no-number`.
    """
    family, _, kind = reason.partition("-")
    return f"{family}-{level.lower()}-{kind}"


def missing_score(reason: str, level: str) -> str:
    """Return the name under which select counts a pair without a score on a level.

    `unparseable-no-number` on the level `Quality` gives `unparseable-quality`.
    """
    return f"{reason.partition('-')[0]}-{level.lower()}"


# Curate and topics: comparisons with other texts.
ROUGE_L = DropReason(
    "rouge-l",
    ("curate",),
    "The instruction has a ROUGE-L F1 above `curation.deduplication.maxRougeL` "
    f"({MAX_ROUGE_L} by default) with a seed task or an accepted instruction.",
    "Name three rivers in Asia, please.",
    "an accepted instruction",
    "Name three rivers in Asia.",
)
CONTAMINATION = DropReason(
    "contamination",
    ("curate",),
    "The instruction, with its input, shares `curation.decontamination.ngram` "
    f"({CONTAMINATION_NGRAM} by default) consecutive words with an item of a benchmark; a shorter "
    "text is compared as a whole.",
    "Which of these four planets is nearest to the sun?",
    "an item of a benchmark",
    "Which of these four planets is nearest to the sun?",
)
REPEATED_TOPIC = DropReason(
    "repeated-topic",
    ("topics",),
    "The topic has the same words as a seed topic or an accepted topic.",
    "Bird  migration.",
    "an accepted topic",
    "bird migration",
)
SURPLUS = DropReason(
    "surplus",
    ("curate", "topics"),
    "The task was parsed after the number of accepted tasks had reached its limit, so no rule "
    "checked it.",
    "the second of two tasks",
    "`instructions.count`",
    "1",
    is_text=False,
)

# Instantiate.
REPEATED_INSTANCE = DropReason(
    "repeated-instance",
    ("instantiate",),
    "The instruction already has an instance with this input and this output.",
    "the second of two equal instances",
    is_text=False,
)

# Respond reads a reply out of the text of the model (recipe Dromedary).
NO_REPLY = DropReason(
    principles.NO_REPLY,
    ("respond",),
    "The answer has no line that begins with `Public reply:`.",
    "I think of birds.",
)
EMPTY_REPLY = DropReason(
    principles.EMPTY_REPLY,
    ("respond",),
    "The reply is empty.",
    "I think.\nPublic reply:",
)
LEAKED_THOUGHTS = DropReason(
    principles.LEAKED_THOUGHTS,
    ("respond",),
    "The reply contains a label of the prompt, so it may contain the model's thoughts.",
    "I think.\nPublic reply: A wren.\nPrivate thoughts: More.",
)

# Parsers.
_LISTS = ("curate", "topics", "instantiate")
PARSE_CUT = DropReason(
    ParseFailure.CUT,
    _LISTS,
    "The task or instance is the last one of a completion that ended by length, or of any "
    "completion with `curation.dropLast: Always`, so it may be incomplete.",
    " Name three rivers.\n7. Instruction: Name two la",
)
PARSE_EMPTY_INSTRUCTION = DropReason(
    ParseFailure.EMPTY_INSTRUCTION,
    ("curate", "topics"),
    "The task has no instruction.",
    "\n6. Input:\nthe Nile",
)
PARSE_BROKEN_NUMBERING = DropReason(
    ParseFailure.BROKEN_NUMBERING,
    ("curate", "topics"),
    "The input has another number than its instruction, or a line of a list does not have the "
    "expected number.",
    " Name three rivers.\n9. Input:\nthe Nile",
)
PARSE_REPEATED_INPUT = DropReason(
    ParseFailure.REPEATED_INPUT,
    ("curate",),
    "The task has two inputs.",
    " Sort the words.\n6. Input:\nb a\n6. Input:\nd c",
)
PARSE_MISSING_OUTPUT = DropReason(
    ParseFailure.MISSING_OUTPUT,
    ("curate", "instantiate"),
    "The task or the input has no output, but the prompt asks for one.",
    " Name three rivers.\n6. Input:\n<noinput>",
)
PARSE_UNLABELLED = DropReason(
    ParseFailure.UNLABELLED,
    _LISTS,
    "The completion has text outside of tasks and instances; it counts once a completion.",
    " Name three rivers.\n###\nI hope that this helps.",
)
PARSE_SURPLUS = DropReason(
    ParseFailure.SURPLUS,
    ("instantiate",),
    "The completion has more instances than the prompt asks for.",
    "the second of two instances",
    "`selfInstruct.maxInstances`",
    "1",
    is_text=False,
)
PARSE_TOO_LONG = DropReason(
    ParseFailure.TOO_LONG,
    ("instantiate",),
    "The prompt for the instruction does not leave enough room for its completion, so there is no "
    "request.",
    "an instruction of 5,000 words",
    is_text=False,
)

# Assess: a pair without a score. The assessor's answer is the example.
UNPARSEABLE_EMPTY = DropReason(
    f"unparseable-{LEVEL}-empty",
    ("assess",),
    "The sampled answer has nothing before the separator `||`.",
    "||8",
)
UNPARSEABLE_NO_NUMBER = DropReason(
    f"unparseable-{LEVEL}-no-number",
    ("assess",),
    "The sampled answer does not begin with a score. With `assessment.parsing: Strict`, only a "
    "number is a score.",
    "It is a good answer.",
)
UNPARSEABLE_AMBIGUOUS = DropReason(
    f"unparseable-{LEVEL}-ambiguous",
    ("assess",),
    "The number in the sampled answer can be another thing than a score, the answer has several "
    "scores, or it was cut right after the number (`assessment.parsing: Tolerant`).",
    "3 of the 5 facts are wrong, so 4",
)
UNPARSEABLE_OUT_OF_RANGE = DropReason(
    f"unparseable-{LEVEL}-out-of-range",
    ("assess",),
    f"The score of the sampled answer is not between {LOWEST} and {HIGHEST}.",
    "11||excellent",
)
UNPARSEABLE_TOO_LONG = DropReason(
    f"unparseable-{LEVEL}-too-long",
    ("assess",),
    "The prompt does not leave enough room for the answer, so there is no request.",
    "a response of 5,000 words",
    is_text=False,
)
UNSCORABLE_TOO_LONG = DropReason(
    f"unscorable-{LEVEL}-too-long",
    ("assess",),
    "The prompt does not leave enough room for a label, so there is no request.",
    "a response of 5,000 words",
    is_text=False,
)
UNSCORABLE_LOW_MASS = DropReason(
    f"unscorable-{LEVEL}-low-mass",
    ("assess",),
    f"The labels have less than {LEAST_MASS} of the probability of the next token.",
    "labels with a probability of 0.09 together",
    is_text=False,
)
UNSCORABLE_NOT_A_NUMBER = DropReason(
    f"unscorable-{LEVEL}-not-a-number",
    ("assess",),
    "The assessor's logits are not numbers.",
    "a label with the log-probability NaN",
    is_text=False,
)

# Measure: a pair without a perplexity.
MEASURE_TOO_LONG = DropReason(
    "unscorable-too-long",
    ("measure", "select"),
    "The pair has more tokens than the model can read.",
    "a response of 100,000 words",
    is_text=False,
)
MEASURE_NO_TOKENS = DropReason(
    "unscorable-no-tokens",
    ("measure", "select"),
    "The prompt or the response has no token.",
    "an empty response",
    is_text=False,
)
MEASURE_NOT_FINITE = DropReason(
    "unscorable-not-finite",
    ("measure", "select"),
    "A loss or the vector of the pair is not finite.",
    "a loss that is NaN",
    is_text=False,
)

# Select: the reasons of a method.
UNPARSEABLE = DropReason(
    f"unparseable-{LEVEL}",
    ("select",),
    "The pair has no sampled score; the assess stage counts it by kind.",
    "the answer `It is a good answer.`",
    is_text=False,
)
UNSCORABLE = DropReason(
    f"unscorable-{LEVEL}",
    ("select",),
    "The pair has no expected score; the assess stage counts it by kind.",
    "labels with a probability of 0.09 together",
    is_text=False,
)
BELOW_THRESHOLD = DropReason(
    f"score-{LEVEL}",
    ("select",),
    "The score is not above the threshold (method SelfAssessment).",
    "a score of 8",
    "`selection.threshold`",
    "8",
    is_text=False,
)
PERPLEXITY_RESPONSE = DropReason(
    "perplexity-response",
    ("select",),
    "The perplexity of the response, given the prompt, is not below the maximum "
    "(method Perplexity).",
    "a perplexity of 50",
    "`selection.perplexity.max`",
    "50",
    is_text=False,
)
PERPLEXITY_PAIR = DropReason(
    "perplexity-pair",
    ("select",),
    "The perplexity of the whole pair is not below the maximum (method Perplexity).",
    "a perplexity of 50",
    "`selection.perplexity.max`",
    "50",
    is_text=False,
)
CLUSTER_NOT_DRAWN = DropReason(
    "cluster-not-drawn",
    ("select",),
    "Another pair of the cluster was drawn (method Density).",
    "one of two pairs of a cluster",
    is_text=False,
)
CLUSTER_PERPLEXITY = DropReason(
    "cluster-perplexity",
    ("select",),
    "Another pair of the cluster has a lower perplexity (method DensityPerplexity).",
    "a perplexity of 20",
    "the lowest perplexity of the cluster",
    "10",
    is_text=False,
)
CONTAMINATED_RESPONSE = DropReason(
    "contaminated-response",
    ("select",),
    "The response shares `curation.decontamination.ngram` "
    f"({CONTAMINATION_NGRAM} by default) consecutive words with an item of a benchmark that has "
    "`decontaminate: Drop`; a shorter text is compared as a whole.",
    "The planet that is nearest to the sun is the planet Mercury.",
    "an item of a benchmark",
    "The planet that is nearest to the sun is the planet Mercury.",
)
NOT_DRAWN = DropReason(
    "not-drawn",
    ("select",),
    "The pair was not drawn (method Random).",
    "one of two pairs",
    "`selection.random.size`",
    "1",
    is_text=False,
)

# Train.
NO_LABEL = DropReason(
    "no-label",
    ("train",),
    "The prompt fills `training.maxLength`, so the row has no token of the response.",
    "a prompt of 1,024 tokens",
    "`training.maxLength`",
    "1024",
    is_text=False,
)

# `isheep filter`.
UNREADABLE = DropReason(
    "unreadable",
    ("filter",),
    "The line is not a JSON object with the fields that `isheep filter` reads.",
    "[]",
)

DROP_REASONS: tuple[DropReason, ...] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, DropReason)
)
"""All reasons of this module, in its order."""

SELECTION_REASONS: frozenset[str] = frozenset(
    name
    for reason in DROP_REASONS
    if reason.stages == ("select",) and reason not in (UNPARSEABLE, UNSCORABLE)
    for name in reason.names
)
"""The names of the drops that only select decides; an earlier stage has counted its other drops."""
