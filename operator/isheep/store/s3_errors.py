"""The errors of S3: which ones a retry can remove, and the remedy for each other one.

Each table row gives the store error to raise and the remedy to name for some error codes, HTTP
statuses or exception types. No message contains the text of a server's answer, because a server
may put anything into it. A message contains the error code only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from boto3.exceptions import Boto3Error
from botocore import exceptions as aws

from isheep.store.interface import (
    NoSuchKeyError,
    StoreConditionError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnreachableError,
)
from isheep.store.s3_settings_errors import settings_remedy


class UndecidedWriteError(Exception):
    """A conditional write was refused, but the object does not exist; the write is retried."""


_TRANSIENT_CODES = frozenset(
    {
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "BadDigest",
        "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch",
    }
)
_NO_KEY, _NO_CODE = "NoSuchKey", "404"
_ABOUT_ONE_OBJECT = frozenset({"read", "inspect", "delete"})
"""The verbs of calls to which a 404 without a code means that there is no such object.

To other calls, no store of S3 answers so, but a web server does."""
_LASTING = frozenset(range(400, 500)) - {409, 412}
"""The statuses about the request; 409 and 412 are about other requests."""
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""The form of the code of an error; a server may answer with anything."""
_TRANSIENT_TYPES: tuple[type[Exception], ...] = (
    UndecidedWriteError,
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    aws.ResponseStreamingError,
    aws.FlexibleChecksumError,
    Boto3Error,  # raised after the retries of s3transfer
    ConnectionError,
    TimeoutError,
)

CLIENT_ERRORS: tuple[type[Exception], ...] = (aws.ClientError, aws.BotoCoreError)
"""What a request of botocore raises, except for a broken connection."""

CONNECTION_ERRORS: tuple[type[Exception], ...] = (aws.BotoCoreError, OSError)
"""What a read of an object's body raises if the connection breaks."""

REQUEST_ERRORS: tuple[type[Exception], ...] = (*_TRANSIENT_TYPES, *CLIENT_ERRORS)
"""Everything that a call to S3 raises, except for errors of local files."""

CALL_ERRORS: tuple[type[Exception], ...] = (*REQUEST_ERRORS, OSError)
"""Everything that a call to S3 raises; `concerns_store` tells errors of local files apart."""

SETTINGS_ERRORS: tuple[type[Exception], ...] = (aws.BotoCoreError, ValueError)
"""What boto3 raises if it cannot make a client from the settings."""


@dataclass(frozen=True, slots=True)
class _Remedy:
    """The error to raise, and the remedy, for error codes, HTTP statuses or exception types.

    `beginnings` are those of error codes.
    """

    raises: type[StoreError]
    text: str
    codes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    types: tuple[type[Exception], ...] = ()
    beginnings: tuple[str, ...] = ()

    def fits(self, error: Exception) -> bool:
        return (
            error_code(error) in self.codes
            or error_code(error).startswith(self.beginnings)
            or http_status(error) in self.statuses
            or isinstance(error, self.types)
        )


_CHECK_CREDENTIAL = (
    "Check the credential: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile, or the "
    "Secret that the storage settings name."
)
_GIVE_RIGHTS = "Give the credential the right to get, put, list and delete objects there."

_REMEDIES = (
    _Remedy(
        StoreRefusedError,
        "Create the bucket, or correct its name.",
        codes=frozenset({"NoSuchBucket"}),
    ),
    _Remedy(
        StoreFullError,
        "Free some space or raise the quota, then run again.",
        codes=frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}),
        statuses=frozenset({507}),
    ),
    _Remedy(
        StoreConditionError,
        "Use a store that supports conditional writes and multipart uploads.",
        codes=frozenset({"NotImplemented"}),
        statuses=frozenset({501}),
    ),
    _Remedy(
        StoreRefusedError,
        _CHECK_CREDENTIAL,
        codes=frozenset(
            {
                "InvalidAccessKeyId",
                "SignatureDoesNotMatch",
                "ExpiredToken",
                "InvalidToken",
                "TokenRefreshRequired",
                # What the token service answers about the identity of a pod.
                "ExpiredTokenException",
                "InvalidIdentityToken",
                "IDPRejectedClaim",
            }
        ),
        types=(
            aws.NoCredentialsError,
            aws.PartialCredentialsError,
            aws.CredentialRetrievalError,
        ),
    ),
    _Remedy(StoreRefusedError, _GIVE_RIGHTS, codes=frozenset({"AccessDenied"})),
    _Remedy(
        StoreRefusedError,
        "Correct the clock of this machine: it differs from that of the store by many minutes.",
        codes=frozenset({"RequestTimeTooSkewed", "RequestExpired"}),
    ),
    _Remedy(
        StoreRefusedError,
        "Check the key with which the bucket encrypts: its state, and the right of the credential "
        "to use it.",
        beginnings=("KMS.",),
    ),
    _Remedy(
        StoreRefusedError,
        "The object is in an archive: restore it, and exclude the prefix from the archive.",
        codes=frozenset({"InvalidObjectState"}),
    ),
    _Remedy(
        StoreRefusedError,
        "Set the region of the bucket in the storage settings, and the endpoint without a "
        "redirect, such as https instead of http.",
        codes=frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}),
        statuses=frozenset({301, 302, 307, 308}),
    ),
    # Each server has codes of its own for an unknown credential, and the answer to a HEAD has none.
    _Remedy(
        StoreRefusedError,
        f"{_CHECK_CREDENTIAL} If it is right: {_GIVE_RIGHTS[0].lower()}{_GIVE_RIGHTS[1:]}",
        statuses=frozenset({401, 403}),
    ),
    _Remedy(
        StoreRefusedError,
        "The certificate is not trusted: set AWS_CA_BUNDLE to the file of its authority.",
        types=(aws.SSLError,),
    ),
)
"""The first row that fits an error applies."""


def error_code(error: BaseException | None) -> str:
    """Return the error's code, the status of the answer, or the name of the error's type."""
    if isinstance(error, aws.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        return code if _CODE.fullmatch(code) else f"status {http_status(error)}"
    return type(error).__name__


def http_status(error: BaseException) -> int:
    """Return the HTTP status of the server's answer; 0 if there was no answer."""
    if not isinstance(error, aws.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_refused_condition(error: BaseException) -> bool:
    """Whether a write failed because of another write, or of our own with a lost answer.

    412 means that the key exists. 409 means that another write is in progress. NoSuchUpload means
    that a multipart upload was completed and that the answer to the completion was lost.
    """
    return http_status(error) in (409, 412) or error_code(error) == "NoSuchUpload"


def concerns_store(error: BaseException) -> bool:
    """Whether a call to S3 failed, and not the access to a local file that it reads."""
    return isinstance(error, REQUEST_ERRORS) or settings_remedy(error) is not None


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    if settings_remedy(error) is not None:
        return False
    if isinstance(error, aws.ClientError):
        if error_code(error) in _TRANSIENT_CODES or http_status(error) == 429:
            return True
        return http_status(error) >= 500 and http_status(error) not in (501, 507)
    if isinstance(error, aws.SSLError):
        return False
    return isinstance(error, _TRANSIENT_TYPES)


def explained_error(
    error: Exception, *, verb: str, key: str, uri: str, retried_seconds: float
) -> StoreError:
    """Return the store error for an error of S3, with the cause and the remedy.

    `verb`, `key` and `uri` name the call. `retried_seconds` is how long a transient error was
    retried.
    """
    code = error_code(error)
    if code == _NO_KEY or (code == _NO_CODE and verb in _ABOUT_ONE_OBJECT):
        return NoSuchKeyError(f"{key} does not exist in {uri}")
    cause = f"cannot {verb} {key or 'the store'} in {uri} ({code})"
    if (own := settings_remedy(error)) is not None:
        return StoreRefusedError(f"{cause}. {own}")
    if is_transient(error):
        return StoreUnreachableError(
            f"{cause}, for {retried_seconds:.0f} s. Check endpoint, network and the state of the "
            "store, then run again."
        )
    for remedy in _REMEDIES:
        if remedy.fits(error):
            return remedy.raises(f"{cause}. {remedy.text}")
    # The same request has the same answer until somebody changes the store or its settings.
    kind = StoreRefusedError if http_status(error) in _LASTING else StoreError
    return kind(f"{cause}. The store rejects the request: check bucket, region and endpoint.")
