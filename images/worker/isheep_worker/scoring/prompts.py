"""The templates of scoring: the run's templates, with the worked examples in each pair's order."""

from __future__ import annotations

from isheep.recipes.settings import AssessSettings
from isheep_worker.rows.schema import PairRow
from isheep_worker.templates.example_order import ExampleOrders
from isheep_worker.templates.library import TemplateLibrary


class ScoringTemplates:
    """The library of templates for each pair."""

    def __init__(
        self, library: TemplateLibrary, name: str, settings: AssessSettings, stage_id: str
    ) -> None:
        """Take the run's library and the name of the template of the prompts."""
        self._library = library
        self._settings = settings
        self._stage_id = stage_id
        shuffled = settings.example_order == "Shuffled"
        self._orders = ExampleOrders(library, name) if shuffled else None

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair, or None if the order is fixed."""
        return None if self._orders is None else self._drawn(self._orders, pair)

    def library(self, pair: PairRow) -> TemplateLibrary:
        """Return the library for a pair."""
        orders = self._orders
        return self._library if orders is None else orders.library(self._drawn(orders, pair))

    def _drawn(self, orders: ExampleOrders, pair: PairRow) -> str:
        return orders.draw(self._settings.random_seed, self._stage_id, pair.id)
