"""Errors of S3 calls that the settings of this process cause, and that no retry removes.

The library reports them like errors that pass: a credential that cannot be sent, and a proxy that
refuses, look like a broken connection; a refused role looks like a refused bucket; and each fault
of TLS has one type. The remedy of each is another one. The texts of the Python library decide which
it is, and no text of a server.
"""

from __future__ import annotations

import os
import re

from botocore import exceptions as aws

from isheep.store.web_pages import REMEDY as WEB_PAGE_REMEDY
from isheep.store.web_pages import is_web_page

_PROXY_STATUS = 407
_PROXY = (
    "The proxy does not accept the request without a valid user name and password: correct "
    "HTTPS_PROXY or HTTP_PROXY, or set NO_PROXY for the host of the store."
)
_NOT_SENT = (
    "The credential contains a line break or another character that cannot be sent: create the "
    "Secret again without it. A file and the command echo end with a line break."
)
_ROLE = (
    "The identity of the pod cannot take the role: correct the role that the service account "
    "names, or the trust policy of the role."
)
_IDENTITY_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
_NO_TOKEN = (
    f"The file that {_IDENTITY_FILE} names cannot be read: correct the variable, or the volume "
    "that has the token of the service account."
)
_NOT_ABOUT_ROLES = frozenset(
    {"ExpiredTokenException", "InvalidIdentityToken", "IDPRejectedClaim", "Throttling"}
)
"""Codes of the token service."""
_TLS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile("WRONG_VERSION_NUMBER|UNEXPECTED_MESSAGE|record layer failure|HTTP_REQUEST"),
        "The server does not use TLS at this port: use http:// or another port in the endpoint.",
    ),
    (
        re.compile("certificate has expired|certificate is not yet valid"),
        "The certificate of the store is not valid now: renew it, or correct the clock of this "
        "machine.",
    ),
    (
        re.compile("[Hh]ostname mismatch|IP address mismatch|doesn't match"),
        "The certificate of the store is for another host: set the endpoint to a name in the "
        "certificate.",
    ),
)


def settings_remedy(error: BaseException) -> str | None:
    """Return the remedy for an error that settings of this process cause, or None."""
    if isinstance(error, aws.ClientError):
        return _of_answer(error)
    if isinstance(error, OSError) and error.filename is not None:
        # botocore opens the file at the first request, and does not convert the error.
        return _NO_TOKEN if error.filename == os.environ.get(_IDENTITY_FILE) else None
    kwargs = getattr(error, "kwargs", {})
    inner = kwargs.get("error") if isinstance(kwargs, dict) else None
    if isinstance(error, aws.ProxyConnectionError):
        return _PROXY if re.search(rf"\b{_PROXY_STATUS}\b", str(inner)) else None
    if isinstance(error, aws.SSLError):
        return next((text for pattern, text in _TLS if pattern.search(str(inner))), None)
    if isinstance(error, aws.HTTPClientError) and isinstance(inner, ValueError):
        return _NOT_SENT
    return None


def _of_answer(error: aws.ClientError) -> str | None:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if is_web_page(error.response):
        return WEB_PAGE_REMEDY
    if status == _PROXY_STATUS:
        return _PROXY
    other = error.response.get("Error", {}).get("Code") in _NOT_ABOUT_ROLES
    takes_role = error.operation_name.startswith("AssumeRole") and not other
    return _ROLE if takes_role and status in (400, 401, 403) else None
