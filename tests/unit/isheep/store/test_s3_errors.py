from __future__ import annotations

import pytest
from botocore import exceptions as aws

from isheep.store.interface import (
    NoSuchKeyError,
    StoreConditionError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnreachableError,
)
from isheep.store.s3_errors import (
    UndecidedWriteError,
    error_code,
    explained_error,
    http_status,
    is_refused_condition,
    is_transient,
)


def _answer(code: str, status: int) -> aws.ClientError:
    """Return the error that botocore raises for a server's answer."""
    return aws.ClientError(
        {
            "Error": {"Code": code, "Message": "text of the server"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "PutObject",
    )


def _explained(error: Exception) -> StoreError:
    return explained_error(error, verb="write", key="a/b", uri="s3://bucket", retried_seconds=300.0)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (_answer("SlowDown", 503), True),
        (_answer("InternalError", 500), True),
        (_answer("RequestTimeout", 400), True),
        (_answer("Unknown", 429), True),
        (_answer("NotImplemented", 501), False),
        (_answer("InsufficientStorage", 507), False),
        (_answer("AccessDenied", 403), False),
        (aws.ConnectionClosedError(endpoint_url="http://host"), True),
        (aws.SSLError(endpoint_url="http://host", error="untrusted"), False),
        (aws.NoCredentialsError(), False),
        (UndecidedWriteError(), True),
        (ConnectionResetError(), True),
        (FileNotFoundError(), False),
    ],
)
def test_only_errors_that_may_pass_are_transient(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (_answer("NoSuchKey", 404), NoSuchKeyError, "a/b does not exist in s3://bucket"),
        (_answer("NoSuchBucket", 404), StoreRefusedError, "Create the bucket"),
        (_answer("Any", 507), StoreFullError, "Free some space"),
        (_answer("Any", 501), StoreConditionError, "conditional writes and multipart uploads"),
        (_answer("Any", 401), StoreRefusedError, "AWS_ACCESS_KEY_ID.* right to get, put, list"),
        # VersityGW's code for an unknown access key, and any server's answer to a HEAD.
        (_answer("XAdminUserNotFound", 403), StoreRefusedError, "AWS_ACCESS_KEY_ID.* right to get"),
        (_answer("403", 403), StoreRefusedError, "AWS_ACCESS_KEY_ID.* right to get"),
        (_answer("AccessDenied", 403), StoreRefusedError, r"\. Give the credential the right"),
        (_answer("InvalidToken", 400), StoreRefusedError, "AWS_ACCESS_KEY_ID"),
        (aws.NoCredentialsError(), StoreRefusedError, "AWS_ACCESS_KEY_ID"),
        (_answer("AuthorizationHeaderMalformed", 400), StoreRefusedError, "Set the region"),
        (_answer("PermanentRedirect", 301), StoreRefusedError, "Set the region"),
        (
            aws.SSLError(endpoint_url="http://host", error="untrusted"),
            StoreRefusedError,
            "AWS_CA_BUNDLE",
        ),
        (_answer("SlowDown", 503), StoreUnreachableError, r"\(SlowDown\), for 300 s"),
        (_answer("InvalidRequest", 400), StoreRefusedError, "check bucket, region and endpoint"),
        (_answer("MethodNotAllowed", 405), StoreRefusedError, "check bucket, region and endpoint"),
        (_answer("404", 404), StoreRefusedError, "check bucket, region and endpoint"),
        (_answer("OperationAborted", 409), StoreError, "check bucket, region and endpoint"),
        (_answer("RequestTimeTooSkewed", 403), StoreRefusedError, "Correct the clock"),
        (_answer("KMS.DisabledException", 400), StoreRefusedError, "key with which the bucket"),
        (_answer("InvalidObjectState", 403), StoreRefusedError, "is in an archive"),
        (_answer("ExpiredTokenException", 400), StoreRefusedError, "AWS_ACCESS_KEY_ID"),
        (_answer("302", 302), StoreRefusedError, "the endpoint without a redirect"),
        (_answer("evil\n\x1b" + "A" * 99, 400), StoreRefusedError, r"\(status 400\)"),
    ],
)
def test_each_error_has_its_type_and_remedy(
    error: Exception, kind: type[StoreError], remedy: str
) -> None:
    explained = _explained(error)
    assert type(explained) is kind
    with pytest.raises(kind, match=remedy):
        raise explained


def test_a_message_contains_the_code_and_no_text_of_the_server() -> None:
    message = str(_explained(_answer("InvalidRequest", 400)))
    assert "cannot write a/b in s3://bucket (InvalidRequest)" in message
    assert "text of the server" not in message


def test_an_error_without_an_answer_has_its_type_as_code_and_no_status() -> None:
    error = aws.ConnectionClosedError(endpoint_url="http://host")
    assert (error_code(error), http_status(error)) == ("ConnectionClosedError", 0)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (_answer("PreconditionFailed", 412), True),
        (_answer("ConditionalRequestConflict", 409), True),
        (_answer("NoSuchUpload", 404), True),
        (_answer("AccessDenied", 403), False),
        (aws.NoCredentialsError(), False),
    ],
)
def test_a_write_is_refused_by_the_condition_only(error: Exception, refused: bool) -> None:
    assert is_refused_condition(error) is refused


@pytest.mark.parametrize("verb", ["read", "inspect", "delete"])
def test_a_404_without_a_code_is_about_the_object(verb: str) -> None:
    error = explained_error(
        _answer("404", 404), verb=verb, key="a/b", uri="s3://bucket", retried_seconds=0
    )
    assert type(error) is NoSuchKeyError
