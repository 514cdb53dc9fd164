"""The causes that Kubernetes has: it refuses a Job, a pod gets no node, or no worker starts.

The real API server, Job controller and scheduler report what they can. The harness reports what a
kubelet, an attach controller or an injecting webhook would, in their words.
"""

from __future__ import annotations

from collections.abc import Mapping

from isheep.kube.names import job_name, service_name

from ..harness.api import MERGE_PATCH
from ..harness.namespace_fixture import NamespaceFixture
from ..harness.pod_behaviour import (
    Hang,
    Hold,
    InitFails,
    StayInInit,
    StayWaiting,
    WorkBesideSidecar,
)
from .producing import (
    FROM_REPORT,
    FROM_TRAIN,
    Producer,
    created_later,
    foreign,
    now,
    on_node,
    with_event,
    with_object,
    with_pod,
    with_policy,
    with_pool,
    with_silent_webhook,
    with_spec,
)

CONFIG_ERROR = "CreateContainerConfigError"
TWO_NODES = FROM_TRAIN.spec(training={"numNodes": 2})
TAINT = {"key": "dedicated", "value": "other", "effect": "NoSchedule"}
LIMITS = {"limits": [{"type": "Container", "min": {"cpu": "2"}}]}
UNCONFINED = {"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"}


def pod_security(namespace: NamespaceFixture) -> None:
    namespace.may_be_forbidden = True
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{namespace.name}"
    namespace.api.must("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE_PATCH)
    with_pool(podAnnotations=UNCONFINED)(namespace)


def foreign_job(namespace: NamespaceFixture) -> None:
    def make(uid: str) -> None:
        key = namespace.keys["i1/train"]
        name = job_name("run", uid, stage="i1/train", key=key, attempt=1)
        namespace.api.must("POST", namespace.jobs_path(), foreign("jobs", name))

    created_later(namespace, FROM_TRAIN, make)


def foreign_service(namespace: NamespaceFixture) -> None:
    def make(uid: str) -> None:
        service = foreign("services", service_name("run", uid))
        namespace.api.must("POST", namespace.core("services"), service)

    created_later(namespace, TWO_NODES, make)


def job_with(**spec: object) -> Producer:
    """Return the producer of a Job in which somebody changes a field."""

    def produce(namespace: NamespaceFixture) -> None:
        namespace.workers.set_behaviour("prepare", Hang())
        namespace.create(FROM_REPORT)
        name = namespace.until_job("prepare")["metadata"]["name"]
        path = namespace.jobs_path(name)
        namespace.api.must("PATCH", path, {"spec": spec}, content_type=MERGE_PATCH)

    return produce


def unknown_queue(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_REPORT.queued())


def unbound_claim(namespace: NamespaceFixture) -> None:
    with_claim("ReadWriteMany", bound=False)(namespace)
    with_spec(compute={"modelCache": {"claimName": "models"}})(namespace)


def claim_of_one_pod(namespace: NamespaceFixture) -> None:
    with_claim("ReadWriteOncePod", bound=True)(namespace)
    cached = FROM_REPORT.spec(compute={"modelCache": {"claimName": "models"}})
    namespace.workers.set_behaviour("prepare", Hang())
    namespace.create(cached.named("other"))
    namespace.until_running("prepare", "other")
    namespace.create(cached)


def with_claim(mode: str, *, bound: bool) -> Producer:
    """Return the producer of a claim, with a volume if bound: no controller of volumes runs."""

    def produce(namespace: NamespaceFixture) -> None:
        volume = f"models-{namespace.name}"
        fields = {"accessModes": [mode], "storageClassName": "none" if not bound else ""}
        size = {"storage": "1Gi"}
        claim = {
            "metadata": {"name": "models", "annotations": {}},
            "spec": {**fields, "resources": {"requests": size}},
        }
        if bound:
            claim["metadata"]["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
            claim["spec"]["volumeName"] = volume
        path = namespace.core("persistentvolumeclaims")
        made = namespace.api.must("POST", path, claim)
        if not bound:
            return
        owner = {"kind": "PersistentVolumeClaim", "namespace": namespace.name, "name": "models"}
        spec = {
            **fields,
            "capacity": size,
            "hostPath": {"path": "/models"},
            "claimRef": {**owner, "uid": made["metadata"]["uid"]},
        }
        document = {"metadata": {"name": volume}, "spec": spec}
        namespace.api.must("POST", "/api/v1/persistentvolumes", document)
        status = {"status": {"phase": "Bound", "accessModes": [mode], "capacity": size}}
        namespace.api.must("PATCH", f"{path}/models/status", status, content_type=MERGE_PATCH)

    return produce


def lost_node(namespace: NamespaceFixture) -> None:
    """Mark the pod as the node controller does if the node does not answer."""
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    job = namespace.until_running("i1/train")["metadata"]["name"]
    (pod,) = [one for one in namespace.pods() if one["metadata"]["labels"]["job-name"] == job]
    path = f"{namespace.core('pods', pod['metadata']['name'])}/status"
    conditions = [
        {**one, "status": "False", "lastTransitionTime": now()} if one["type"] == "Ready" else one
        for one in pod["status"]["conditions"]
    ]
    patch = {"status": {"conditions": conditions}}
    namespace.api.must("PATCH", path, patch, content_type=MERGE_PATCH)


def missing_templates(namespace: NamespaceFixture) -> None:
    problem = 'MountVolume.SetUp failed for volume "templates" : configmap "my-templates" not found'
    with_event("FailedMount", problem)(namespace)


def quota(**hard: str) -> Producer:
    names = {name.replace("__", "/").replace("_", "."): value for name, value in hard.items()}
    return with_object("resourcequotas", {"metadata": {"name": "quota"}, "spec": {"hard": names}})


REFUSED: Mapping[str, Producer] = {
    "The service account does not exist.": with_spec(serviceAccountName="runner"),
    "The PriorityClass does not exist.": with_pool(priorityClassName="urgent"),
    "The RuntimeClass does not exist.": with_pool(runtimeClassName="gvisor"),
    "A ResourceQuota allows no further pod.": quota(pods="0"),
    "A ResourceQuota allows no further Job.": quota(count__jobs_batch="0"),
    "A LimitRange does not allow the resources.": with_object(
        "limitranges",
        {"metadata": {"name": "limits"}, "spec": LIMITS},
        FROM_REPORT.spec(
            compute={
                "processing": {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}
            }
        ),
    ),
    "Pod Security does not allow an annotation of the pods.": pod_security,
    "An admission policy refuses the Job.": with_policy("batch", "jobs", "the team must be named"),
    "An admission policy refuses the pods.": with_policy("", "pods", "pods need a cost centre"),
    "An admission webhook of the cluster, such as that of Kueue, does not answer.": (
        with_silent_webhook("batch", "jobs")
    ),
    "An admission webhook does not answer about the pods.": with_silent_webhook("", "pods"),
    "An admission policy refuses the Service of a training on several nodes.": with_policy(
        "", "services", "no Services here", TWO_NODES
    ),
    "The Job is not valid, because a request is above its limit.": with_pool(
        resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    ),
    "Another Job has the name of the run's Job.": foreign_job,
    "Another Service has the name of the run's Service.": foreign_service,
    "Somebody has suspended the Job.": job_with(suspend=True),
    "Somebody has set the parallelism of the Job to 0.": job_with(parallelism=0),
    "The label names a queue, and Kueue is not there.": unknown_queue,
}

WITHOUT_NODE: Mapping[str, Producer] = {
    "No node has enough GPUs.": with_pool(resources={"limits": {"nvidia.com/gpu": "1000"}}),
    "No node has the labels of the node selector.": with_pool(
        nodeSelector={"isheep.test/nowhere": "yes"}
    ),
    "The only fitting node has a taint.": on_node("tainted", taints=[TAINT]),
    "The only fitting node is cordoned.": on_node("cordoned", unschedulable=True),
    "The scheduler of the pool does not run, or has another name.": with_pool(
        schedulerName="volcano"
    ),
    "The claim does not exist.": with_spec(compute={"modelCache": {"claimName": "models"}}),
    "The claim has no volume.": unbound_claim,
    "The template of a claim of devices does not exist.": with_pool(
        resourceClaims=[{"name": "gpus", "resourceClaimTemplateName": "two-large-gpus"}]
    ),
    "Another pod uses a claim that one pod can use at a time.": claim_of_one_pod,
}

NOT_STARTED: Mapping[str, Producer] = {
    "The Secret does not exist.": with_pod(StayWaiting(CONFIG_ERROR, 'secret "s3" not found')),
    "The Secret lacks a key.": with_pod(
        StayWaiting(CONFIG_ERROR, "couldn't find key AWS_ACCESS_KEY_ID in Secret team/s3")
    ),
    "The ConfigMap of a variable does not exist.": with_pod(
        StayWaiting(CONFIG_ERROR, 'configmap "settings" not found')
    ),
    "The ConfigMap of the templates does not exist.": missing_templates,
    "The image cannot be pulled.": with_pod(
        StayWaiting(
            "ImagePullBackOff",
            'Back-off pulling image "worker": ErrImagePull: failed to resolve reference '
            '"worker": not found',
        )
    ),
    "The name of the image is not valid.": with_pod(
        StayWaiting("InvalidImageName", 'couldn\'t parse image name "x y": invalid reference')
    ),
    "The node cannot create the container.": with_pod(
        StayWaiting("CreateContainerError", "context deadline exceeded")
    ),
    "The node has no runtime for the pod.": with_event(
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox "
        'runtime: no runtime for "nvidia" is configured',
    ),
    "A volume of another node is still attached there.": with_event(
        "FailedAttachVolume",
        'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other',
    ),
    "A volume cannot be mounted.": with_event(
        "FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition"
    ),
    "An injected init container does not start.": with_pod(
        StayInInit("istio-init", "ImagePullBackOff", 'Back-off pulling image "proxyv2"')
    ),
    "An injected init container fails again and again.": with_pod(
        InitFails("istio-init"), stage="train"
    ),
    "An injected sidecar goes on after the worker.": with_pod(
        WorkBesideSidecar("istio-proxy"), stage="train"
    ),
    "The node of the pod does not answer.": lost_node,
}
