"""The facts about a run in a card, gathered from its spec and from the manifests of its stages.

The manifests record what happened, so every figure and every setting of a stage comes from them.
The spec of the file adds the recipe, the language and the source of the seed tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isheep.api.run import SelfAlignmentRun
from isheep.store.manifest import Manifest

HUB = "hf://"


@dataclass(frozen=True, slots=True)
class Base:
    """The base model: its name on the hub and its commit, or no name if it is not from the hub.

    The location of another model is a private detail, so a card does not contain it.
    """

    name: str | None
    revision: str | None

    @classmethod
    def of(cls, model: str | None) -> Base:
        """Return the base of a manifest's `environment.model`, such as `hf://org/name@commit`."""
        if model is None or not model.startswith(HUB):
            return cls(None, None)
        name, _, revision = model.removeprefix(HUB).partition("@")
        return cls(name, revision or None)

    @classmethod
    def of_adapter(cls, train: Manifest) -> Base:
        """Return the base of the adapter that a train stage made.

        An adapter of M(t-1) has no base on the hub. Its run has merged weights too.
        """
        return cls(None, None) if trains_previous(train) else cls.of(train.environment.model)


def trains_previous(train: Manifest) -> bool:
    """Return whether a train stage started from M(t-1), and not from the base model."""
    return "model" in train.inputs


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one iteration; a manifest is None if the run has no such stage."""

    run: str
    recipe: str
    iteration: int
    language: str
    base: Base
    seeds: str
    select: Manifest
    assess: Manifest | None = None
    train: Manifest | None = None
    curate: Manifest | None = None

    @property
    def isheep(self) -> str:
        """The version of isheep that chose D(t)."""
        return self.select.environment.packages.get("isheep", "unknown")


def facts(run: SelfAlignmentRun, iteration: int, manifests: Mapping[str, Manifest]) -> Facts:
    """Return the facts of an iteration.

    Args:
        run: The run of the user's file.
        iteration: The iteration t.
        manifests: The manifests of the iteration's committed stages by id; `i<t>/select` is there.
    """
    select = manifests[f"i{iteration}/select"]
    rounds = [m for id_, m in manifests.items() if id_.startswith(f"i{iteration}/curate/")]
    return Facts(
        run=run.metadata.name,
        recipe=run.spec.recipe,
        iteration=iteration,
        language=run.spec.language,
        base=Base.of(select.environment.model),
        seeds=_seeds(run, _seed_digest(manifests)),
        select=select,
        assess=manifests.get(f"i{iteration}/assess"),
        train=manifests.get(f"i{iteration}/train"),
        curate=max(rounds, key=lambda m: m.stage.round or 0, default=None),
    )


def _seeds(run: SelfAlignmentRun, digest: str | None) -> str:
    """Return the source of the seed tasks without the user's paths and buckets."""
    if run.spec.seed_tasks.builtin is not None:
        source = "the built-in seed tasks of isheep"
    else:
        source = "seed tasks of the user"
    return f"{source} (SHA-256 `{digest}`)" if digest else source


def _seed_digest(manifests: Mapping[str, Manifest]) -> str | None:
    found: list[Any] = [
        m.settings["seedTasks"] for m in manifests.values() if "seedTasks" in m.settings
    ]
    return found[0] if found else None
