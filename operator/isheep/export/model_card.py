"""The card of M(t): README.md of an exported adapter or of merged weights."""

from __future__ import annotations

from isheep.export.card_text import (
    PROJECT,
    base_text,
    card,
    count,
    figure,
    licence_entries,
    licence_text,
    scores_text,
    table,
)
from isheep.export.facts import Facts
from isheep.store.manifest import Manifest

_LIMITS = (
    "The training data is the model's own text, chosen by rules and by the model's own scores. "
    "Errors and biases of the base model can become stronger. No safety training took place."
)
_CHAT = (
    "The prompts of the training have the chat template in `chat_template.jinja`. The tokens that "
    "end an answer are in `generation_config.json`."
)


def model_card(
    facts: Facts, train: Manifest, *, is_adapter: bool, licence: str | None = None
) -> str:
    """Return the README.md of M(t).

    Args:
        facts: The facts of the iteration.
        train: The manifest of the stage that trained M(t).
        is_adapter: Whether the folder has an adapter, and not merged weights.
        licence: The licence that the user states, as the hub names it, or None.
    """
    t = facts.iteration
    front_matter = {
        **licence_entries(licence),
        "language": [facts.language],
        "base_model": facts.base.name,
        "base_model_relation": ("adapter" if is_adapter else "finetune")
        if facts.base.name
        else None,
        "library_name": "peft" if is_adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": [PROJECT, "self-alignment", *(["lora"] if is_adapter else [])],
    }
    kind = "A LoRA adapter of" if is_adapter else "Full weights, fine-tuned with LoRA from"
    start = f"M({t - 1})" if "model" in train.inputs else base_text(facts.base)
    return card(
        front_matter,
        {
            f"# M({t}) of the run {facts.run}": (
                f"{kind} {base_text(facts.base)}. The model was trained on data that it wrote and "
                "chose itself, with isheep, which implements I-SHEEP (arXiv 2408.08072).\n\n"
                f"{_CHAT}"
            ),
            "## How it was made": _made(facts, train, start),
            "## Training data": scores_text(facts),
            "## Evaluation": _evaluation(train),
            "## Limits": _LIMITS,
            "## Licence": licence_text(facts, licence, "This model"),
        },
    )


def _made(facts: Facts, train: Manifest, start: str) -> str:
    settings = train.settings
    lora = settings.get("lora", {})
    packages = train.environment.packages
    return table(
        {
            "run, iteration": f"{facts.run}, {facts.iteration}",
            "recipe": facts.recipe,
            "training started from": start,
            "seeds": facts.seeds,
            "kept pairs": count(facts.select.statistics, "kept"),
            "training samples": count(train.statistics, "samples"),
            "epochs": settings.get("numTrainEpochs", "unknown"),
            "learning rate": settings.get("learningRate", "unknown"),
            "batch size": settings.get("effectiveBatchSize", "unknown"),
            "LoRA r, alpha, dropout": ", ".join(
                str(lora.get(name, "unknown")) for name in ("r", "alpha", "dropout")
            ),
            "random seed": settings.get("randomSeed", "unknown"),
            "key of the stage": f"`{train.key}`",
            "packages": ", ".join(
                f"{name} {packages[name]}"
                for name in (PROJECT, "torch", "transformers", "peft")
                if name in packages
            )
            or "unknown",
        }
    )


def _evaluation(train: Manifest) -> str:
    return (
        f"Training loss {figure(train.statistics, 'trainLoss')}, validation loss "
        f"{figure(train.statistics, 'evalLoss')}, over the tokens of the responses. The export "
        "contains no results of benchmarks; evaluate the model before you use it."
    )
