"""Which iteration a command takes if its user names none: that of the best model."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.api.status import BestRecord
from isheep.cli.arguments.open_run import OpenRun
from isheep.cli.figures.best_text import best_text
from isheep.cli.terminal.errors import BadInputError
from isheep.contract.choices import Handover
from isheep.contract.stage_ids import iteration_of, kind_name
from isheep.local.results import newest_model


def chosen_best(run: OpenRun) -> BestRecord | None:
    """Return the best model that a metric has chosen; None if the last model counts as the best.

    Raises:
        BadInputError: The best model is M(0), which no iteration has made.
    """
    view = run.find()
    best = None if view is None else view.status.best
    if best is None or best.value is None:
        return None
    if best.iteration == 0:
        raise BadInputError(
            f"the best model of {run.ref.name} is M(0), its base model: {best_text(best)}; use "
            "the base model, or name an iteration with --iteration"
        )
    return best


def best_iteration(run: OpenRun, committed: Mapping[str, str]) -> tuple[int, str]:
    """Return the iteration of the best model, and a note that says why it was taken.

    `committed` has the keys of committed stages by their ids. Before the first model, it is the
    last iteration.

    Raises:
        BadInputError: The best model is M(0).
    """
    best = chosen_best(run)
    if best is not None:
        return best.iteration, f"the best model: {best_text(best)}"
    newest = newest_model(committed, None)
    last = max(map(iteration_of, committed), default=1) if newest is None else iteration_of(newest)
    return max(last, 1), "the last model, because no metric has chosen the best one"


def model_stage(committed: Mapping[str, str], form: Handover | None, iteration: int) -> str | None:
    """Return the id of the stage that made M(t) of an iteration in this form, or None."""
    of_iteration = {id_: key for id_, key in committed.items() if iteration_of(id_) == iteration}
    made = {id_: key for id_, key in of_iteration.items() if kind_name(id_) in ("merge", "train")}
    return newest_model(made, form)
