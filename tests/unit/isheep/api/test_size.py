"""The size of the largest run: the limits of all fields together bound it."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.validation.validations import violations
from isheep.planner.seen_fields import field_digests

from .largest_run import largest_spec, other_bytes, stored_bytes

STORE_BYTES = 1_572_864
"""The largest object of etcd: 1.5 MiB."""
ANNOTATIONS = 256 * 1024
"""The bound of the chart's policy for annotations and labels."""
STAGES = 128 * 1024
"""The stages, conditions and history of a status with many iterations."""
MANAGED_FIELDS = 100_000
"""The keys of spec and status, which an API server adds as managed fields."""


def test_a_store_takes_the_largest_run_with_its_status_and_annotations() -> None:
    """`tests/control_plane/test_size.py` writes this run, and measures what etcd stores."""
    spec = SelfAlignmentRunSpec.read(largest_spec())
    assert violations(spec) == []
    stored = stored_bytes(largest_spec()) + stored_bytes(spec.document()) + 2 * other_bytes()
    status = stored_bytes(field_digests(largest_spec())) + STAGES
    assert stored + status + ANNOTATIONS + MANAGED_FIELDS < STORE_BYTES
