"""The size of the largest run: the limits of all fields together bound it."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.validations import violations
from isheep.planner.seen_fields import field_digests

from .largest_run import largest_spec, stored_bytes

STORE_BYTES = 1_572_864
"""The largest object of etcd: 1.5 MiB."""
ROOM = 200_000
"""Room for the stages and conditions of a status, and for the metadata of a run."""


def test_a_store_takes_the_largest_run_with_its_status() -> None:
    """An API server adds the keys of maps as managed fields; tests/control_plane writes the run."""
    spec = SelfAlignmentRunSpec.read(largest_spec())
    assert violations(spec) == []
    stored = stored_bytes(largest_spec()) + stored_bytes(spec.document())
    assert stored + stored_bytes(field_digests(largest_spec())) + ROOM < STORE_BYTES
