"""The parts that both cards have: front matter, scores, and how a card names the base model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import yaml

from isheep.contract.choices import MeasuringMethod
from isheep.export.facts import Base, Facts

PROJECT = "isheep"


def card(front_matter: Mapping[str, Any], sections: Mapping[str, str]) -> str:
    """Return a README.md: YAML front matter without empty entries, then a section for each text."""
    matter = {name: value for name, value in front_matter.items() if value}
    head = yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)
    body = "\n".join(f"{title}\n\n{text.strip()}\n" for title, text in sections.items())
    return f"---\n{head}---\n\n{body}"


def licence_entries(licence: str | None) -> dict[str, str]:
    """Return the entries of the front matter about the licence."""
    if licence is not None:
        return {"license": licence}
    return {"license": "other", "license_name": "licence-of-the-base-model"}


def licence_text(facts: Facts, licence: str | None, what: str) -> str:
    """Return the section about the licence of data or weights that the base model made."""
    stated = f"The publisher states the licence `{licence}`. " if licence else ""
    return (
        f"{stated}{what} comes from {base_text(facts.base)}, so the licence of that model applies, "
        "with its conditions for output and derived models. Read it in the card of that model."
    )


def base_text(base: Base) -> str:
    """Return the name of the base model, for the middle of a sentence."""
    if base.name is None:
        return "a base model that is not on the hub"
    revision = f" (revision `{base.revision}`)" if base.revision else ""
    return f"`{base.name}`{revision}"


def scores_text(facts: Facts) -> str:
    """Return what the scores of the rows are, and how they chose D(t)."""
    settings = facts.select.settings
    method, assess = settings.get("method"), facts.assess
    if method == "SelfAssessment" and assess is not None:
        levels = ", ".join(settings.get("levels", ()))
        return (
            f"Each pair has a score from 1 to 10 on each level ({levels}). "
            f"{_assessor(facts)} gave the scores with the rubric "
            f"{assess.settings.get('rubric')} (scoring: {assess.settings.get('scoring')}). They "
            f"are the opinion of a language model about {_whose_text(facts)}. No person checked "
            "them, and they can be compared only with scores of the same assessor and rubric. A "
            f"pair is in the set if each of its scores is above {settings.get('threshold')}."
        )
    if method in get_args(MeasuringMethod):
        return (
            f"The pairs were chosen by the method {method}. The scores, if a row has them, are "
            "perplexities under the model that wrote the pairs: lower is more likely, and not "
            "better."
        )
    return f"The pairs were chosen by the method {method}, which uses no scores."


def _judge(facts: Facts) -> str | None:
    """Return the judge that scored the pairs, for a sentence; None if a model of the run did."""
    settings = {} if facts.assess is None else facts.assess.settings
    if "endpoint" in settings:
        return f"The model `{settings['endpoint'].get('model')}` at an endpoint"
    return "The judge of the run" if settings.get("model", {}).get("of") == "Judge" else None


def _whose_text(facts: Facts) -> str:
    return "its own text" if _judge(facts) is None else "the text of another model"


def _assessor(facts: Facts) -> str:
    judge = _judge(facts)
    if judge is not None:
        return judge
    previous = facts.assess is not None and "model" in facts.assess.inputs
    return f"M({facts.iteration - 1}), the model that wrote the pairs," if previous else "M(0)"


def count(statistics: Mapping[str, Any], name: str) -> str:
    """Return a count of a manifest's statistics."""
    value = statistics.get(name)
    return "unknown" if value is None else f"{value:,.0f}"


def figure(statistics: Mapping[str, Any], name: str) -> str:
    """Return a mean or a loss of a manifest's statistics."""
    value = statistics.get(name)
    return "not measured" if value is None else f"{value:.3f}"


def table(rows: Mapping[str, object]) -> str:
    """Return a table with a name and a value in each row."""
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
