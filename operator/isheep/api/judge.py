"""The judge: a model that is none of the run's own models, and that scores what they write.

A model that scores its own text prefers it. The judge has one of two forms. A model is loaded by
the run's engine, as M(0) is. An endpoint is a server with the API of OpenAI, and needs no GPU.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from isheep.api.base import Integer, LocalObjectReference, SpecModel, Text
from isheep.api.model import Model

ENDPOINT_URL_PATTERN = (
    r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?$"
)
"""The same form as that of URLs in variables, so that the chart's rules can divide the URL. It has
no user name, no query and no fragment, which can contain a secret."""

EndpointUrl = Annotated[Text, Field(min_length=1, max_length=512, pattern=ENDPOINT_URL_PATTERN)]


class JudgeEndpoint(SpecModel):
    """A server with the API of OpenAI."""

    url: EndpointUrl = Field(
        description=(
            "URL of the API, up to the part before `/chat/completions`, such as "
            "https://api.example.com/v1."
        )
    )
    model: Text = Field(
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.:/@]*$",
        description="Name of the model at the endpoint.",
    )
    revision: Text | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_./]*$",
        description=(
            "Your own name for the state of the model. An endpoint can change its model without a "
            "new name; another revision here asks it again. It is not sent."
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description=(
            "Secret with the key `apiKey`, which is sent to the endpoint. `isheep run` reads the "
            "environment variable ISHEEP_JUDGE_API_KEY instead. If absent: no key is sent."
        ),
    )
    max_concurrent_requests: Integer = Field(
        default=8,
        ge=1,
        le=256,
        description="Largest number of requests that one pod sends at the same time.",
    )
    requests_per_minute: Integer | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description="Largest number of requests that one pod begins in a minute. If absent: any.",
    )
    timeout_seconds: Integer = Field(
        default=120,
        ge=1,
        le=3600,
        description="Seconds after which a request without an answer is sent again.",
    )
    max_retries: Integer = Field(
        default=5,
        ge=0,
        le=20,
        description=(
            "How often a request is sent again after a time-out, a lost connection, too many "
            "requests (429) or an error of the server (5xx). The pauses grow."
        ),
    )


class Judge(SpecModel):
    """A model that is none of the run's own models: exactly one of the fields."""

    model: Model | None = Field(
        default=None,
        description=(
            "A model that the run's engine loads. It needs the pods of `compute.inference`, as "
            "M(0) does."
        ),
    )
    endpoint: JudgeEndpoint | None = Field(
        default=None,
        description="A server with the API of OpenAI. Its stages need no GPU.",
    )
