"""Errors that the settings of a process cause, as botocore raises them."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore import exceptions as aws

from isheep.store.interface import StoreError, StoreRefusedError
from isheep.store.s3 import Retry, S3Store
from isheep.store.s3_errors import explained_error, is_transient
from isheep.store.s3_settings_errors import settings_remedy


def _answer(code: str, status: int, operation: str = "HeadObject") -> aws.ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws.ClientError(answer, operation)  # type: ignore[arg-type]


def _tls(text: str) -> aws.SSLError:
    return aws.SSLError(endpoint_url="https://host", error=f"[SSL: {text} (_ssl.c:1006)")


def _role(code: str, status: int) -> aws.ClientError:
    return _answer(code, status, "AssumeRoleWithWebIdentity")


SECRET = "Invalid header value b'AWS4-HMAC-SHA256 Credential=AKIA\\n/20260101'"
TUNNEL = "Cannot connect to proxy., Tunnel connection failed: 407 Proxy Authentication Required"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (aws.HTTPClientError(error=ValueError(SECRET)), "contains a line break"),
        (aws.ProxyConnectionError(proxy_url="http://proxy", error=OSError(TUNNEL)), "HTTPS_PROXY"),
        (_answer("407", 407), "HTTPS_PROXY"),
        (_role("AccessDenied", 403), "trust policy of the role"),
        (_role("ValidationError", 400), "the role that the service account names"),
        (_tls("WRONG_VERSION_NUMBER] wrong version number"), "use http:// or another port"),
        (_tls("CERTIFICATE_VERIFY_FAILED] certificate has expired"), "renew it"),
        (
            _tls("CERTIFICATE_VERIFY_FAILED] Hostname mismatch, certificate is not valid for 'a'"),
            "for another host",
        ),
    ],
    ids=str,
)
def test_each_error_is_refused_at_once_with_its_remedy(error: Exception, remedy: str) -> None:
    assert not is_transient(error)
    found = explained_error(error, verb="read", key="", uri="s3://b", retried_seconds=0)
    assert type(found) is StoreRefusedError
    assert remedy in str(found)
    assert "AKIA" not in str(found)


@pytest.mark.parametrize(
    "error",
    [
        aws.ProxyConnectionError(proxy_url="http://proxy", error=OSError("refused")),
        aws.HTTPClientError(error=OSError("reset")),
        aws.ConnectionClosedError(endpoint_url="http://host"),
        _tls("CERTIFICATE_VERIFY_FAILED] self-signed certificate"),
        _role("ExpiredTokenException", 400),
        _role("InternalFailure", 500),
        _answer("AccessDenied", 403),
        ConnectionResetError(),
    ],
    ids=str,
)
def test_other_errors_have_other_remedies(error: Exception) -> None:
    assert settings_remedy(error) is None


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Store:
    """Return a store whose credential is a token that does not exist."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/isheep")
    endpoint, once = "http://127.0.0.1:9", Retry(seconds=0.1, first_pause=0.1, longest_pause=0.1)
    return S3Store("bucket", endpoint=endpoint, region="us-east-1", addressing="Path", retry=once)


def test_a_token_that_does_not_exist_is_refused_at_once(store: S3Store) -> None:
    with pytest.raises(StoreRefusedError, match="AWS_WEB_IDENTITY_TOKEN_FILE names cannot be read"):
        store.head("key")


def test_a_local_file_that_does_not_exist_is_no_error_of_the_store(
    store: S3Store, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="nothing: No such file"):
        store.put("key", tmp_path / "nothing")
