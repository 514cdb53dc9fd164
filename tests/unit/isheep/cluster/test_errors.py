import json

import pytest

from isheep.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ClusterUnreachableError,
    ForbiddenError,
    NotFoundError,
    rejection,
)

STATUS = json.dumps({"kind": "Status", "message": "no rights\nat all"})


@pytest.mark.parametrize(
    ("status", "body", "kind", "remedy"),
    [
        (404, "404 page not found\n", ClusterError, "install the operator's chart"),
        (404, STATUS, NotFoundError, "lists all runs"),
        (401, STATUS, ClusterError, "renew those in the kubeconfig"),
        (403, STATUS, ForbiddenError, "forbidden: no rights; ask"),
        (409, STATUS, ClusterError, "at the same time: no rights; run the same command again"),
        (409, json.dumps({"reason": "AlreadyExists"}), AlreadyExistsError, "another name"),
        (422, STATUS, ClusterError, "rejected the request: no rights"),
        (429, "", ClusterUnreachableError, "again later"),
        (503, "[]", ClusterUnreachableError, "HTTP status 503"),
    ],
)
def test_each_answer_has_one_line_with_a_remedy(status, body, kind, remedy):
    error = rejection(status, body, "run a in namespace b")
    assert type(error) is kind
    assert str(error).startswith("run a in namespace b: ")
    assert remedy in str(error)
    assert "\n" not in str(error)
