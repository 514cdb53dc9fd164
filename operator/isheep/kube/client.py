"""The client of the API server, with plain JSON.

The official client provides configuration, credentials and connections. Its model classes are not
used, because converting a thousand Jobs costs more CPU than everything else. Every request has a
time limit, so a pass cannot hang.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import kopf
from kubernetes.aio import client, config

from isheep.api.run import GROUP, PLURAL, VERSION
from isheep.kube.field_errors import ordered_message

TIMEOUT_SECONDS = 10.0
LIST_TIMEOUT_SECONDS = 60.0
FIRST_PAGE, LARGEST_PAGE = 10, 500
PAGE_BYTES = 4_000_000
"""The size of a page of a LIST, as far as the size of the page before shows it.

A page needs several times its size of memory, and the runs of one user may be large.
"""
TOO_LARGE = re.compile("request is too large|larger than max|[Rr]equest entity too large")
"""What an API server writes about an object that its store does not accept, with any status."""
WEBHOOK_FAILED = re.compile("failed calling webhook")
"""What an API server writes if an admission webhook does not answer, with status 500."""
WEBHOOK_DENIED = re.compile('admission webhook "[^"]*" denied the request')
"""What an API server writes if an admission webhook denies an object, with the webhook's status."""
ADMISSION_SECONDS = 8
"""How long an API server may ask webhooks about an object, less than the time of a request."""
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
METADATA = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON}"
"""Accepts a LIST with the metadata of its objects only, which has a twentieth of the size."""

Json = dict[str, Any]
OnAnswer = Callable[[str, int], None]
"""Called for every request with its method and status; the status is 0 if no answer came."""
Check = Callable[[], None]
"""Called right before a write is sent; an exception of it prevents the write."""


class ApiError(Exception):
    """The API server rejected a request. `causes` are the reasons in the details of its answer."""

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = causes


NoClusterError = config.ConfigException
"""There is neither a pod's service account nor a kubeconfig."""


class ApiUnreachableError(Exception):
    """The API server did not answer, or could not serve; a later request may succeed."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A LIST, or a page of one, with its resource version."""

    items: list[Json]
    version: int


def runs_path(namespace: str | None, name: str = "") -> str:
    """Return the path of a run, of a namespace's runs, or of all runs."""
    return _path(f"/apis/{GROUP}/{VERSION}", namespace, PLURAL, name)


def jobs_path(namespace: str | None, name: str = "") -> str:
    """Return the path of Jobs."""
    return _path("/apis/batch/v1", namespace, "jobs", name)


def pods_path(namespace: str) -> str:
    """Return the path of a namespace's pods."""
    return _path("/api/v1", namespace, "pods")


def services_path(namespace: str, name: str = "") -> str:
    """Return the path of a namespace's Services, or of one."""
    return _path("/api/v1", namespace, "services", name)


def events_path(namespace: str) -> str:
    """Return the path of a namespace's Events."""
    return _path("/api/v1", namespace, "events")


def workloads_path(namespace: str, version: str) -> str:
    """Return the path of a namespace's Workloads, the objects in which Kueue holds Jobs."""
    return _path(f"/apis/kueue.x-k8s.io/{version}", namespace, "workloads")


def lease_path(namespace: str, name: str = "") -> str:
    """Return the path of a namespace's Leases."""
    return _path("/apis/coordination.k8s.io/v1", namespace, "leases", name)


def _path(api: str, namespace: str | None, plural: str, name: str = "") -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{api}{scope}/{plural}" + (f"/{name}" if name else "")


def environment_proxy(url: str) -> str | None:
    """Return the proxy for a URL by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None if there is none."""
    address = urlsplit(url)
    if proxy_bypass(address.netloc):
        return None
    return getproxies().get(address.scheme)


class Api:
    """A connection to the API server of this pod's cluster, or of the cluster in KUBECONFIG."""

    def __init__(self, configuration: client.Configuration, on_answer: OnAnswer) -> None:
        self._configuration = configuration
        # By default aiohttp looks for .netrc and a proxy at each request, in two other threads.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.proxy = configuration.proxy or environment_proxy(configuration.host)
        self._client = client.ApiClient(configuration)
        self._on_answer = on_answer

    @classmethod
    async def connect(cls, on_answer: OnAnswer) -> Api:
        """Return a connection; raises `NoClusterError` if no cluster is configured."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        return cls(configuration, on_answer)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def login(self, trace: aiohttp.TraceConfig) -> kopf.AiohttpSession:
        """Return a session with the current credentials, for kopf."""
        found = self._configuration
        info = kopf.ConnectionInfo(
            server=found.host,
            ca_path=found.ssl_ca_cert or None,
            insecure=not found.verify_ssl,
            certificate_path=found.cert_file or None,
            private_key_path=found.key_file or None,
        )
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=await self._headers(),
            trace_configs=[trace],
        )
        return kopf.AiohttpSession(server=found.host, aiohttp_session=session)

    async def get(self, path: str) -> Json:
        """Return an object; raises `ApiError` 404 if it does not exist."""
        return await self._request("GET", path)

    async def list(self, path: str, *, labels: str = "", fields: str = "") -> Listing:
        """Return all objects that match the selectors."""
        items: list[Json] = []
        version = 0
        async for page in self.pages(path, labels=labels, fields=fields):
            items += page.items
            version = page.version
        return Listing(items, version)

    async def pages(
        self, path: str, *, labels: str = "", fields: str = "", accept: str = JSON
    ) -> AsyncIterator[Listing]:
        """Yield all objects that match the selectors, page by page; all pages have one version."""
        version, token, limit = 0, "", FIRST_PAGE
        while True:
            query = {"limit": str(limit)}
            for name, value in (
                ("labelSelector", labels),
                ("fieldSelector", fields),
                ("continue", token),
            ):
                if value:
                    query[name] = value
            place = f"{path}?{urlencode(query)}"
            status, content = await self._send(
                "GET", place, seconds=LIST_TIMEOUT_SECONDS, accept=accept
            )
            page, size = _answer("GET", place, status, content), len(content)
            del content
            # All pages have the version of the first page.
            version = version or int(page["metadata"].get("resourceVersion") or 0)
            token = page["metadata"].get("continue", "")
            # An empty LIST of metadata has null.
            items = page.pop("items") or []
            limit = next_limit(len(items), size)
            yield Listing(items, version)
            if not token:
                return

    async def create(self, path: str, document: Json, *, check: Check | None = None) -> Json:
        """Create an object and return it."""
        return await self._request("POST", path, document, check=check)

    async def create_admitted(self, path: str, document: Json, *, check: Check) -> Json:
        """Create an object that webhooks of the cluster may have to admit, and return it.

        A webhook that does not answer in time is an `ApiError` with the status 500 or 504.
        """
        place = f"{path}?timeout={ADMISSION_SECONDS}s"
        status, content = await self._send("POST", place, document, check=check)
        if status == 504:
            raise ApiError(status, "Timeout", _message(status, _document(content)), ())
        return _answer("POST", path, status, content)

    async def try_to_create(self, path: str, document: Json) -> None:
        """Create an object as a dry run; raises `ApiError` if the API server rejects it."""
        await self._request("POST", f"{path}?dryRun=All", document)

    async def replace(self, path: str, document: Json) -> Json:
        """Replace an object and return it."""
        return await self._request("PUT", path, document)

    async def patch_status(self, path: str, patch: Json, *, check: Check | None = None) -> Json:
        """Merge a patch into an object's status and return the object."""
        place = f"{path}/status"
        return await self._request("PATCH", place, patch, content_type=MERGE_PATCH, check=check)

    async def delete(
        self, path: str, uid: str, version: int | None = None, *, check: Check | None = None
    ) -> Json:
        """Delete the object with this UID, dependents first; return the API server's answer.

        With a resource version, the object is deleted only if nobody has changed it since.
        """
        preconditions = {"uid": uid}
        if version is not None:
            preconditions["resourceVersion"] = str(version)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            # The default policy for Jobs would keep their pods.
            "propagationPolicy": "Foreground",
            "preconditions": preconditions,
        }
        return await self._request("DELETE", path, options, check=check)

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        check: Check | None = None,
    ) -> Json:
        status, content = await self._send(
            method, path, body, content_type=content_type, check=check
        )
        return _answer(method, path, status, content)

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        seconds: float = TIMEOUT_SECONDS,
        check: Check | None = None,
        accept: str = JSON,
    ) -> tuple[int, bytes]:
        headers = {"Accept": accept, "Content-Type": content_type, **await self._headers()}
        if check is not None:
            check()
        try:
            response = await self._client.rest_client.request(
                method,
                f"{self._configuration.host}{path}",
                headers=headers,
                body=body,
                _request_timeout=aiohttp.ClientTimeout(total=seconds),
            )
            content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._on_answer(method, 0)
            raise ApiUnreachableError(f"{method} {path}: {error or 'no answer'}") from error
        self._on_answer(method, response.status)
        return response.status, content

    async def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        settings = await self._configuration.auth_settings()
        found = settings.get("BearerToken")
        value = found["value"] if found else None
        if value:
            headers["authorization"] = value
        return headers


def next_limit(items: int, size: int) -> int:
    """Return the limit of the next page after a page with some items and a size in bytes."""
    if items == 0:
        return FIRST_PAGE
    return max(1, min(LARGEST_PAGE, PAGE_BYTES * items // max(1, size)))


def _document(content: bytes) -> Json:
    try:
        document: Json = json.loads(content) if content else {}
    except ValueError:
        document = {"message": content.decode(errors="replace")[:200]}
    return document


def _message(status: int, document: Json) -> str:
    return str(document.get("message") or f"status {status}")


def _answer(method: str, path: str, status: int, content: bytes) -> Json:
    document = _document(content)
    if status < 400:
        return document
    message = _message(status, document)
    if TOO_LARGE.search(message):
        raise ApiError(413, "RequestEntityTooLarge", message, ())
    by_webhook = WEBHOOK_FAILED.search(message) or WEBHOOK_DENIED.search(message)
    if not by_webhook and (status >= 500 or status in (401, 408, 429)):
        raise ApiUnreachableError(f"{method} {path}: {message}")
    causes = (document.get("details") or {}).get("causes") or ()
    reasons = tuple(str(cause.get("reason", "")) for cause in causes)
    message = ordered_message(message, causes)
    raise ApiError(status, str(document.get("reason") or ""), message, reasons)
