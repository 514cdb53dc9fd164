"""The card of D(t): README.md of an exported data set."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.choices import ExportFormat
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

_CHAT = "TRL's `SFTTrainer` and other chat trainers render the messages with the chat template."
_USES: Mapping[ExportFormat, str] = {
    "prompt-completion": f"`prompt` and `completion` are lists of messages. {_CHAT}",
    "messages": f"`messages` is a list of messages. {_CHAT}",
    "alpaca": "`instruction`, `input` and `output` are texts, in the columns of Alpaca.",
    "preference": (
        "`prompt`, `chosen` and `rejected` are lists of messages, as TRL's `DPOTrainer` reads "
        "them. The chosen response has the higher scores."
    ),
    "text": "`prompt` and `completion` are plain texts; add your own template.",
}
_LIMITS = (
    "A language model wrote the instructions and the responses. Rules and scores dropped some bad "
    "pairs; wrong, biased or harmful text can remain. `finish_reason` is `length` if a response "
    "was cut at its limit of tokens."
)


def dataset_card(
    facts: Facts, form: ExportFormat, file: str, rows: int, licence: str | None = None
) -> str:
    """Return the README.md of an exported D(t).

    Args:
        facts: The facts of the iteration.
        form: The format of the rows.
        file: The name of the data file in the same folder.
        rows: The number of rows of the file.
        licence: The licence that the user states, as the hub names it, or None.
    """
    t, select = facts.iteration, facts.select.statistics
    front_matter = {
        **licence_entries(licence),
        "language": [facts.language],
        "task_categories": ["text-generation"],
        "tags": [PROJECT, "synthetic", "self-alignment"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": file}]}],
    }
    made = table(
        {
            "run, iteration": f"{facts.run}, {t}",
            "recipe": facts.recipe,
            "base model": base_text(facts.base),
            "seeds": facts.seeds,
            "accepted instructions": count(_curated(facts), "accepted"),
            "pairs": count(select, "pairs"),
            "kept pairs": count(select, "kept"),
            "mean score of kept pairs": figure(select, "meanScore"),
            "random seed": facts.select.settings.get("randomSeed", "unknown"),
            "key of the stage": f"`{facts.select.key}`",
            "isheep": facts.isheep,
        }
    )
    return card(
        front_matter,
        {
            f"# D({t}) of the run {facts.run}": (
                f"{rows:,} rows that a model wrote and chose for its own training with isheep, "
                "which implements I-SHEEP (arXiv 2408.08072)."
            ),
            "## Columns": (
                f"{_USES[form]} `provenance` names run, iteration, stage and pair of each row."
            ),
            "## How it was made": made,
            "## Scores": scores_text(facts),
            "## Limits": _LIMITS,
            "## Licence": licence_text(facts, licence, "This data"),
        },
    )


def _curated(facts: Facts) -> Mapping[str, object]:
    return {} if facts.curate is None else facts.curate.statistics
