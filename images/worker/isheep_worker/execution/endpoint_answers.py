"""What the rows of a judge keep of an endpoint's answer, so that a user can check it later."""

from __future__ import annotations

from isheep_worker.engines.interface import Completion
from isheep_worker.rows.schema import EndpointAnswer


def endpoint_answer(completion: Completion | None) -> EndpointAnswer | None:
    """Return the answer as the endpoint sent it; None if no endpoint has answered."""
    if completion is None or not completion.raw_json:
        return None
    return EndpointAnswer(completion.raw_json, completion.raw_json_is_cut)
