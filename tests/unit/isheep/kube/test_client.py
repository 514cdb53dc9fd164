"""The connection to the API server: its proxy from the environment."""

from __future__ import annotations

import pytest

from isheep.kube.client import environment_proxy

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.1,.svc"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.1:443"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.2"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy("https://10.0.0.1:443") == proxy
