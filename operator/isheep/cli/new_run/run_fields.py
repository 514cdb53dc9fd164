"""The fields of the file that `isheep init` writes, each with its comment and its condition.

No answer of the user is part of a comment, and each answer that is text is quoted if YAML would
read something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import yaml

from isheep.api.reading.yaml_reader import YamlError, read_documents
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.api.run import GROUP, KIND, VERSION
from isheep.cli.new_run.run_sizes import Size
from isheep.contract.store_spec import S3StoreSpec

SMALL = 640
"""With fewer instructions, some defaults are too large for the number of pairs."""
NAME_CHARACTERS = 40
_SAFE = re.compile(r"^[A-Za-z][-A-Za-z0-9_./:]*$")

_RECIPES = {
    "ISheep": "writes instructions, answers and scores, and is trained on its best answers",
    "SelfInstruct": "writes tasks, and then inputs and outputs for each task; no score is used",
    "Alpaca": "writes whole tasks with inputs and outputs at once; no score is used",
    "Dromedary": "answers with principles in its prompt, and learns to answer so without them",
}
"""What the model does in a recipe. A recipe that is not here is described by its name."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the text is made from. `store` is a bucket, the path of a folder, or None."""

    size: Size
    model: str
    recipe: str
    iterations: int
    instructions: int
    cluster: bool
    store: S3StoreSpec | str | None

    @property
    def name(self) -> str:
        """A valid name of a run, from the name of the model."""
        last = self.model.rstrip("/").rpartition("/")[2].lower()
        plain = re.sub(r"[^a-z0-9]+", "-", last).strip("-")
        begun = plain if plain[:1].isalpha() else f"run-{plain}"
        return begun[:NAME_CHARACTERS].strip("-")

    @property
    def is_small(self) -> bool:
        """Whether the run has few instructions."""
        return self.instructions < SMALL

    @property
    def is_tiny(self) -> bool:
        """Whether the model is one for demonstrations on a CPU."""
        return self.size.gpus == 0


Line = tuple[int, str, str]
"""A line of the file: its depth, its text, and its comment (empty for none)."""


def fields(answers: Answers) -> Iterator[Line]:
    """Yield the lines of the run in their order, with a comment on each field."""
    yield (0, f"apiVersion: {GROUP}/{VERSION}", "The version of the format of this file.")
    yield (0, f"kind: {KIND}", "The kind of the object: one run.")
    yield (0, "metadata:", "")
    yield (
        1,
        f"name: {scalar(answers.name)}",
        "The name of the run, under which its status and its report are stored.",
    )
    yield (0, "spec:", "")
    yield from _method(answers)
    yield from _storage(answers)
    yield from _engine(answers)
    yield from _data(answers)
    yield from _training(answers)
    if answers.cluster:
        yield from _compute(answers.size)


def _method(answers: Answers) -> Iterator[Line]:
    does = _RECIPES.get(answers.recipe)
    what = f" In this recipe, the model {does}." if does else ""
    yield (
        1,
        f"recipe: {scalar(answers.recipe)}",
        f"The method, one of {', '.join(RECIPE_DEFINITIONS)}.{what}",
    )
    yield (
        1,
        f"iterations: {answers.iterations}",
        "How often the model writes data and is trained on it. You can raise the number later, and "
        "the finished iterations do not run again.",
    )
    yield (1, "model:", "")
    secret = (
        " If the model is not public, add secretRef: {name: hf}, a Secret with the key token."
        if answers.cluster
        else ""
    )
    yield (
        2,
        f"storageUri: {scalar(answers.model)}",
        "The base model M(0), with which the run starts: hf://organization/name on the Hugging "
        f"Face hub, or another location.{secret}",
    )


def _storage(answers: Answers) -> Iterator[Line]:
    store = answers.store
    if store is None:
        return
    yield (1, "storage:", "")
    if isinstance(store, str):
        yield (2, "folder:", "")
        yield (
            3,
            f"path: {scalar(store)}",
            "The folder for all data of the run. A relative path starts at the working directory.",
        )
        return
    yield (2, "s3:", "")
    yield (3, f"bucket: {scalar(store.bucket)}", "The bucket for all data of the run.")
    if store.prefix:
        yield (
            3,
            f"prefix: {scalar(store.prefix)}",
            "The begin of the names of all objects. Runs with the same prefix share their stages.",
        )
    if answers.cluster:
        yield (
            3,
            "secretRef: {name: s3}",
            "The Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Remove this if "
            "the pods have an identity with access to the bucket.",
        )


def _engine(answers: Answers) -> Iterator[Line]:
    yield (1, "engine:", "")
    yield (
        2,
        "type: VLLM",
        "The program that generates text. VLLM is fast; Transformers makes a run repeatable to the "
        "byte on one machine.",
    )
    if answers.is_tiny:
        yield (2, "vllm:", "")
        yield (
            3,
            "enforceEager: true",
            "No compilation: it takes longer than a run of this size.",
        )
        yield (3, "maxNumSeqs: 32", "Texts that the engine generates at the same time.")
    elif answers.size.gpus > 1:
        yield (2, "vllm:", "")
        yield (
            3,
            f"tensorParallelSize: {answers.size.gpus}",
            f"GPUs that share the model, because one GPU with {answers.size.gpu_gigabytes} GB is "
            "too small for it.",
        )


def _data(answers: Answers) -> Iterator[Line]:
    definition = RECIPE_DEFINITIONS.get(answers.recipe)
    yield (1, "instructions:", "")
    yield (
        2,
        f"count: {answers.instructions}",
        "Instructions that the model writes in each iteration; the paper has 10000. Fewer make a "
        "run faster, and leave fewer pairs for the training.",
    )
    if answers.recipe == "Dromedary":
        yield from _topics(answers.instructions)
    if answers.is_tiny and answers.recipe == "ISheep":
        yield from _tiny_prompts()
    uses_scores = definition is not None and definition.selection_method == "SelfAssessment"
    if not (uses_scores or answers.is_small):
        return
    yield (1, "selection:", "")
    if uses_scores:
        yield (
            2,
            f"threshold: {1 if answers.is_tiny else 8}",
            "A pair of an instruction and its answer is kept if each of its scores, from 0 to 10, "
            "is above this. The paper has 8"
            + (
                ", with which almost no pair of such a small model is kept."
                if answers.is_tiny
                else "."
            ),
        )
    if answers.is_small:
        yield (
            2,
            f"minSamples: {max(1, answers.instructions // 32)}",
            "If an iteration keeps fewer pairs than this, the run fails and trains nothing.",
        )


def _topics(instructions: int) -> Iterator[Line]:
    yield (1, "dromedary:", "")
    yield (
        2,
        f"topics: {max(1, instructions // 10)}",
        "Topics that the model writes, before it writes instructions about them.",
    )
    yield (
        2,
        f"topicGuided: {instructions * 2 // 5}",
        "Instructions about these topics, in addition to instructions.count.",
    )


def _tiny_prompts() -> Iterator[Line]:
    yield (2, "sampling:", "")
    yield (
        3,
        "temperature: 0.7",
        "How random the text is. At 1.0, a model of this size often breaks the format.",
    )
    yield (3, "maxTokens: 250", "The longest completion with new instructions, in tokens.")
    yield (1, "responses:", "")
    yield (
        2,
        "promptFormat: Chat",
        "How the model is asked for an answer. Chat is right for a model that was trained to chat.",
    )
    yield (2, "sampling:", "")
    yield (3, "temperature: 0.7", "How random the answers are.")
    yield (3, "maxTokens: 160", "The longest answer, in tokens. A longer one is dropped.")
    yield (1, "assessment:", "")
    yield (
        2,
        "rubric: InContext",
        "How the model is asked for the scores of an answer: InContext shows it scored examples.",
    )
    yield (2, "promptFormat: Raw", "The prompt for scores is plain text, without a chat template.")
    yield (
        2,
        "decoding: Constrained",
        "The text is forced into the form of a score, which such a small model often misses.",
    )
    yield (2, "sampling:", "")
    yield (3, "maxTokens: 64", "The longest text with scores, in tokens.")


def _training(answers: Answers) -> Iterator[Line]:
    pairs = answers.instructions
    if answers.recipe == "Dromedary":
        pairs += answers.instructions * 2 // 5
    fields: list[Line] = []
    if answers.is_tiny:
        fields += [
            (2, "maxLength: 512", "The longest pair in the training, in tokens; the rest is cut."),
            (
                2,
                "learningRate: 5.0e-4",
                "How much a step changes the model: ten times the paper's value, because there are "
                "few steps.",
            ),
        ]
    if answers.is_small:
        fields += [
            (2, "effectiveBatchSize: 4", "Pairs in one step of the training; the paper has 16."),
            (
                2,
                "warmupSteps: 0",
                "Steps in which the learning rate rises. This run has fewer than the paper's 20.",
            ),
        ]
    definition = RECIPE_DEFINITIONS.get(answers.recipe)
    if pairs > 3000 and definition is not None and definition.selection_method == "None":
        fields.append(
            (
                2,
                f"maxSamples: {pairs}",
                "The largest number of pairs for the training. This recipe keeps all pairs, and "
                "the default is 3000.",
            )
        )
    if fields:
        yield (1, "training:", "")
        yield from fields


def _compute(size: Size) -> Iterator[Line]:
    yield (1, "compute:", "The resources of the pods. They change no result.")
    for pool, does in (("inference", "generate text"), ("training", "train")):
        yield (2, f"{pool}:", f"The pods that {does}.")
        yield from _resources(4 if size.gpus <= 1 else 8, size.memory, size.gpus)
        if size.gpus:
            yield (
                3,
                "shmSize: 8Gi",
                "Memory that the processes of a pod share. It is part of the pod's memory.",
            )
    yield (
        2,
        "processing:",
        "The pods that check inputs, filter text and merge weights, without GPU.",
    )
    yield from _resources(2, 8 if size.gpus <= 1 else 32, 0)


def _resources(cores: int, memory: int, gpus: int) -> Iterator[Line]:
    gpu = f"nvidia.com/gpu: {gpus}, " if gpus else ""
    yield (3, "resources:", "")
    yield (
        4,
        f"requests: {{cpu: {cores}, memory: {memory // 2 or 1}Gi}}",
        "What a node must have free for the pod.",
    )
    yield (
        4,
        f"limits: {{{gpu}memory: {memory}Gi}}",
        "What the pod cannot exceed" + (", and its GPUs." if gpus else "."),
    )


def scalar(text: str) -> str:
    """Return a text as YAML that is read back as the same text, on one line."""
    if _SAFE.match(text) and _is_read_as_itself(text):
        return text
    dumped = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=inf)
    return str(dumped).rstrip("\n")


def _is_read_as_itself(text: str) -> bool:
    try:
        documents = read_documents(f"x: {text}")
    except YamlError:
        return False
    return len(documents) == 1 and documents[0].value == {"x": text}
