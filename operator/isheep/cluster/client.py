"""Requests about runs, with the user's kubeconfig.

The operator has a client of its own in `isheep.kube.client`: it is asynchronous, counts its
requests and needs kopf. A command sends one request and ends. Every request has a time limit.
"""

from __future__ import annotations

import json
import time
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

    def set_suspended(self, run: str, *, suspended: bool) -> None:
        """Set `spec.suspend` of a run; raises `ClusterError` and `ClusterUnreachableError`."""
        self._patch(run, {"spec": {"suspend": suspended}})

    def retry(self, run: str, value: str) -> None:
        """Set the retry annotation of a run to a value that it did not have before.

        Raises `ClusterError` and `ClusterUnreachableError`.
        """
        self._patch(run, {"metadata": {"annotations": {RETRY_ANNOTATION: value}}})

    def delete(self, run: str) -> None:
        """Delete a run, and return when it is gone; the cluster then removes its Jobs.

        Raises `ClusterError` and `ClusterUnreachableError`, the latter also after five minutes.
        """
        uid = self._request("GET", run)["metadata"]["uid"]
        self._request("DELETE", run, {"preconditions": {"uid": uid}})
        for _ in range(DELETION_POLLS):
            try:
                found = self._request("GET", run)["metadata"]["uid"]
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

    def _patch(self, run: str, changes: dict[str, Any]) -> None:
        self._request("PATCH", run, changes)

    def _request(self, method: str, run: str, document: dict[str, Any] | None = None) -> Any:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  (a dependency of the client)

        content_type = MERGE_PATCH if method == "PATCH" else JSON
        namespace, name = quote(self.namespace, safe=""), quote(run, safe="")
        request = self.client.param_serialize(
            method,
            f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}",
            header_params={"Content-Type": content_type, "Accept": JSON},
            body=document,
            auth_settings=["BearerToken"],
        )
        try:
            response = self.client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            body = response.read() or b""
        except (HTTPError, OSError) as error:
            raise ClusterUnreachableError(
                f"the API server {self.client.configuration.host} does not answer: "
                f"{type(error).__name__}; check the network and the server of the context"
            ) from error
        if not 200 <= response.status <= 299:
            subject = f"run {run} in namespace {self.namespace}"
            raise rejection(response.status, body.decode("utf-8", "replace"), subject)
        return json.loads(body)
