"""The loader reads plain YAML scalars as a real API server does."""

from __future__ import annotations

from itertools import product
from typing import Any

from isheep.api.reading.yaml_reader import plain_scalar, read_documents

RUNS = "/apis/isheep.dev/v1alpha1/namespaces/default/selfalignmentruns"
APPLY = "application/apply-patch+yaml"

WORDS = """
y Y yes Yes YES yEs n N no No NO on On ON off Off OFF true True TRUE tRue false False
FALSE ~ null Null NULL nUll 2026-01-31 2026-01-31T12:00:00Z 12:30 1:2:3 1,000 = << . .. -
+ -- +- _ __ _1 1_ 1__0 -_1 +_1 ._1 .1_0 0x 0x_f 0X1F 0o17 0O17 0o8 0b101 0B1 0b2 -0x1f
+0b1 -0o7 0_7 07 08 00 000 -00 +0 -0 0. .0 -.5 +.5 5. 5.e1 .5e1 1e3 1E3 1e+3 1e-3 1e 1e+
e3 1e400 -1e400 1e-400 0x1p-2 1.5.2 1.2e3.4 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616
0xffffffffffffffff 0x1ffffffffffffffff 123456789012345678901234567890 1e20 1e21 1e22 0.1
1.0 100.0 infinity inf nan .info .nanx Infinity 1d 10f 0xg 1Gi 500m 1.5Gi
"""
PIECES = ("", "+", "-"), ("", "0", "0x", "0o", "0b"), ("", "0", "1", "9", "1_0"), ("", ".", ".5")
NUMBERS = ["".join(parts) for parts in product(*PIECES, ("", "e2", "e-2"))]


def test_the_loader_and_the_api_server_read_the_same_plain_scalars(crd_server: Any) -> None:
    scalars = [text for text in dict.fromkeys((*WORDS.split(), *NUMBERS)) if text not in ("", "-")]
    run = (
        "apiVersion: isheep.dev/v1alpha1\nkind: SelfAlignmentRun\nmetadata: {name: scalars}\n"
        "spec: {recipe: ISheep, iterations: 1, model: {storageUri: hf://org/name}}\n"
    )
    created = crd_server.request("POST", RUNS, run, "application/yaml")
    assert created.status == 201, created.message
    items = "".join(f"    - {text}\n" for text in scalars)
    status = f"{run}status:\n  resolved:\n    scalars:\n{items}"
    path = f"{RUNS}/scalars/status?fieldManager=test&force=true"
    applied = crd_server.request("PATCH", path, status, APPLY)
    assert applied.status == 200, applied.message
    (document,) = read_documents(status)
    read = document.value["status"]["resolved"]["scalars"]
    assert [plain_scalar(text) for text in scalars] == read
    stored = applied.body["status"]["resolved"]["scalars"]
    different = [
        (text, ours, theirs)
        for text, ours, theirs in zip(scalars, read, stored, strict=True)
        if not same(ours, theirs)
    ]
    assert different == []


def same(ours: Any, theirs: Any) -> bool:
    """Compare value and type; integers of more than 64 bits only with the precision of a float."""
    if isinstance(ours, bool) or isinstance(theirs, bool) or isinstance(ours, str):
        return ours is theirs or (isinstance(theirs, str) and ours == theirs)
    if ours is None or theirs is None or isinstance(theirs, str):
        return ours is theirs
    return ours == theirs if abs(ours) < 2**63 else float(ours) == float(theirs)
