"""Requests about runs, with the user's kubeconfig.

The operator has a client of its own in `isheep.kube.client`: it is asynchronous, counts its
requests and needs kopf. A command sends a few requests and ends. Every request has a time limit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from isheep.api.run import GROUP, PLURAL, RETRY_ANNOTATION, VERSION
from isheep.cluster.errors import ClusterError, ClusterUnreachableError, NotFoundError, rejection

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 1.0
DELETION_POLLS = 300
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
PAGE_ITEMS = 500
_GROUP_PATH = f"/apis/{GROUP}/{VERSION}"
_WRITE = (("fieldManager", "isheep"), ("fieldValidation", "Strict"))

Document = dict[str, Any]
"""An object of the API server as JSON values."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to one cluster, and the namespace of the runs."""

    client: ApiClient
    namespace: str

    @classmethod
    def connect(cls, namespace: str | None, context: str | None) -> Cluster:
        """Return a connection for a context of the kubeconfig; raises `ClusterError`.

        `context` None is the current context. `namespace` None is the namespace of the context, and
        `default` if the context has none. Sends no request.
        """
        try:
            from kubernetes import config  # noqa: PLC0415  (heavy)
            from yaml import YAMLError  # noqa: PLC0415
        except ImportError as error:
            raise ClusterError(
                "commands on a cluster need the official Kubernetes client: "
                "pip install 'isheep[cluster]'"
            ) from error
        try:
            contexts, active = config.list_kube_config_contexts()
            client = config.new_client_from_config(context=context)
        except (config.ConfigException, OSError, YAMLError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ClusterError(
                f"no usable kubeconfig: {reason}; set KUBECONFIG to its path, or choose one of its "
                "contexts with --context"
            ) from error
        client.configuration.retries = False
        chosen = next((c for c in contexts if c["name"] == context), active)
        return cls(client, namespace or chosen["context"].get("namespace") or "default")

    @classmethod
    def of_pod(cls, namespace: str) -> Cluster | None:
        """Return a connection with the service account of this pod; None outside of a pod."""
        try:
            from kubernetes import client, config  # noqa: PLC0415  (heavy)
        except ImportError:
            return None
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            return None
        configuration.retries = False
        return cls(client.ApiClient(configuration), namespace)

    def get(self, run: str) -> Document:
        """Return a run; raises `ClusterError` and `ClusterUnreachableError`."""
        return self._on_run("GET", run)

    def runs(self, *, all_namespaces: bool = False) -> Iterator[Document]:
        """Yield the runs of the namespace, or of all namespaces.

        Raises `ClusterError` and `ClusterUnreachableError`.
        """
        path = f"{_GROUP_PATH}/{PLURAL}" if all_namespaces else self._runs_path
        where = "all namespaces" if all_namespaces else f"namespace {self.namespace}"
        return self.items(path, f"the runs of {where}")

    def create(self, document: Document) -> Document:
        """Create a run; the API server refuses unknown fields.

        Raises `AlreadyExistsError`, `ClusterError` and `ClusterUnreachableError`.
        """
        subject = self._subject(document["metadata"]["name"])
        return _json(self.send("POST", self._runs_path, subject, document, _WRITE))

    def replace(self, document: Document, *, dry_run: bool) -> Document:
        """Replace a run, and return it as the API server has completed it.

        With `dry_run`, nothing is stored. Raises `ClusterError` and `ClusterUnreachableError`,
        also if somebody has changed the run since the document was read.
        """
        name = document["metadata"]["name"]
        query = (*_WRITE, ("dryRun", "All")) if dry_run else _WRITE
        path = f"{self._runs_path}/{quote(name, safe='')}"
        return _json(self.send("PUT", path, self._subject(name), document, query))

    def set_suspended(self, run: str, *, suspended: bool) -> None:
        """Set `spec.suspend` of a run; raises `ClusterError` and `ClusterUnreachableError`."""
        self._on_run("PATCH", run, {"spec": {"suspend": suspended}})

    def retry(self, run: str, value: str) -> None:
        """Set the retry annotation of a run to a value that it did not have before.

        Raises `ClusterError` and `ClusterUnreachableError`.
        """
        self._on_run("PATCH", run, {"metadata": {"annotations": {RETRY_ANNOTATION: value}}})

    def delete(self, run: str) -> None:
        """Delete a run, and return when it is gone; the cluster then removes its Jobs.

        Raises `ClusterError` and `ClusterUnreachableError`, the latter also after five minutes.
        """
        uid = self.get(run)["metadata"]["uid"]
        self._on_run("DELETE", run, {"preconditions": {"uid": uid}})
        for _ in range(DELETION_POLLS):
            try:
                found = self.get(run)["metadata"]["uid"]
            except NotFoundError:
                return
            if found != uid:
                # Somebody has created another run with this name.
                return
            time.sleep(POLL_SECONDS)
        raise ClusterUnreachableError(
            f"run {run} in namespace {self.namespace}: the deletion has not ended; "
            "metadata.finalizers of the run names what delays it"
        )

    def items(
        self, path: str, subject: str, query: Sequence[tuple[str, str]] = ()
    ) -> Iterator[Document]:
        """Yield the objects of a list, which the API server sends in pages.

        Raises `ClusterError` and `ClusterUnreachableError`.
        """
        page = [*query, ("limit", str(PAGE_ITEMS))]
        token = ""
        while True:
            more = [("continue", token)] if token else []
            answer = _json(self.send("GET", path, subject, query=[*page, *more]))
            yield from answer["items"]
            token = answer["metadata"].get("continue") or ""
            if not token:
                return

    def send(
        self,
        method: str,
        path: str,
        subject: str,
        document: Document | None = None,
        query: Sequence[tuple[str, str]] = (),
    ) -> bytes:
        """Send a request, and return the body of the response.

        Args:
            method: The HTTP method; the document of a PATCH is a merge patch.
            path: The path, with quoted names.
            subject: What the request is about, as messages name it.
            document: The body of the request.
            query: The parameters of the query.

        Raises:
            ClusterError: The API server refuses the request.
            ClusterUnreachableError: The API server does not answer, or cannot serve now.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  (a dependency of the client)

        content_type = MERGE_PATCH if method == "PATCH" else JSON
        request = self.client.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Content-Type": content_type, "Accept": JSON},
            body=document,
            auth_settings=["BearerToken"],
        )
        try:
            response = self.client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            body: bytes = response.read() or b""
        except (HTTPError, OSError) as error:
            raise ClusterUnreachableError(
                f"the API server {self.client.configuration.host} does not answer: "
                f"{type(error).__name__}; check the network and the server of the context"
            ) from error
        if not 200 <= response.status <= 299:
            raise rejection(response.status, body.decode("utf-8", "replace"), subject)
        return body

    @property
    def _runs_path(self) -> str:
        return f"{_GROUP_PATH}/namespaces/{quote(self.namespace, safe='')}/{PLURAL}"

    def _subject(self, run: str) -> str:
        return f"run {run} in namespace {self.namespace}"

    def _on_run(self, method: str, run: str, document: Document | None = None) -> Document:
        path = f"{self._runs_path}/{quote(run, safe='')}"
        return _json(self.send(method, path, self._subject(run), document))


def _json(body: bytes) -> Document:
    document: Document = json.loads(body)
    return document
