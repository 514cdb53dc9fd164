"""The endpoint of a judge as the model of a stage.

An endpoint gets texts and not tokens, so nothing of a tokenizer is needed here. Its length is
unknown: an answer to a prompt that is too long is empty, and prepare has sent the longest prompt.
"""

from __future__ import annotations

from isheep.contract.choices import PromptFormat
from isheep.contract.order import ContractError
from isheep.recipes.evaluation_settings import JudgeSettings
from isheep.recipes.settings import AssessSettings, Sampling, StageSettings
from isheep_worker.engines.endpoint_client import open_endpoint
from isheep_worker.engines.endpoint_engine import EndpointEngine
from isheep_worker.engines.interface import Engine, Request
from isheep_worker.execution.context import StageContext
from isheep_worker.execution.inference import Inference, TextInference
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.prompting import load_library


class EndpointInference:
    """Makes the requests of a stage for the endpoint of the run."""

    model_loads = 0

    def __init__(self, context: StageContext[StageSettings], *templates: str) -> None:
        """Load the templates; `templates` are the digests of the run's templates."""
        self._context = context
        self._engine: EndpointEngine | None = None
        self.library = load_library(context.inputs, *templates)

    def engine(self) -> Engine:
        """Return the endpoint as an engine; raises `ContractError` if the order has none."""
        endpoint = self._context.order.sources.judge_endpoint
        if endpoint is None:
            raise ContractError("the order names no endpoint of a judge")
        with self._context.meter.measure(Activity.LOAD):
            client = open_endpoint(endpoint)
        self._engine = EndpointEngine(client.complete, endpoint.max_concurrent_requests)
        return self._engine

    def release(self) -> None:
        """Send no further request."""
        if self._engine is not None:
            self._engine.close()

    def text_request(
        self,
        id_: str,
        text: str,
        prompt_format: PromptFormat,  # noqa: ARG002 (an endpoint gets a chat)
        seed: int,
        sampling: Sampling,
        *,
        stop: tuple[str, ...] = (),
        regex: str | None = None,  # noqa: ARG002 (the schema refuses it for an endpoint)
    ) -> Request | None:
        """Return a request with the text as the message of a user."""
        return Request(
            id=id_,
            prompt_token_ids=(),
            text=text,
            seed=seed,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=stop,
            presence_penalty=sampling.presence_penalty or 0.0,
        )


def judge_of(context: StageContext[JudgeSettings]) -> TextInference:
    """Return the model that judges: one that is loaded, or an endpoint."""
    settings = context.settings
    return (
        EndpointInference(context) if settings.model is None else Inference(context, settings.model)
    )


def assessor(context: StageContext[AssessSettings], *templates: str) -> TextInference:
    """Return the model that scores: one that is loaded, or an endpoint."""
    settings = context.settings
    if settings.model is not None:
        return Inference(context, settings.model, *templates)
    return EndpointInference(context, *templates)
