"""Bounds of what other people write into runs and Jobs. Pure.

Anybody who may create a Job can give it the operator's label, and then the operator of all
namespaces reads it. So a Job may have any text in its annotations, any number in its fields, and
any number of labels. Without bounds, some hundred such objects use up the memory of the operator,
and one number that is too large for a time prevents its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isheep.contract.choices import MOST_GRACE_SECONDS
from isheep.kube.names import KUEUE_PREFIX, KUEUE_QUEUE_LABEL

ANNOTATION_CHARACTERS = 16 * 1024
"""The largest annotation that the operator reads. Its own are far shorter."""
MOST_KUEUE_LABELS = 16
"""The largest number of labels for Kueue, as in the chart's policy; Kueue has fewer."""
NUMBER_DIGITS = 9
"""The largest length of the number of an attempt."""


def annotation(annotations: Mapping[str, str], name: str) -> str | None:
    """Return an annotation, or None if it is absent or too long to be the operator's own."""
    text = annotations.get(name)
    return text if text is not None and len(text) <= ANNOTATION_CHARACTERS else None


def kueue_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels for Kueue; of too many, that of the queue and the first ones by name."""
    names = [name for name in labels if name.startswith(KUEUE_PREFIX)]
    names.sort(key=lambda name: (name != KUEUE_QUEUE_LABEL, name))
    return {name: labels[name] for name in names[:MOST_KUEUE_LABELS]}


def attempt_number(label: str | None) -> int:
    """Return the number of an attempt in its label, 0 if the label has none."""
    is_number = label is not None and label.isdecimal() and len(label) <= NUMBER_DIGITS
    return int(label) if label is not None and is_number else 0


def grace_seconds(pod: Mapping[str, Any]) -> int:
    """Return the grace period of a pod; a longer one than the API allows is not the operator's."""
    return min(int(pod.get("terminationGracePeriodSeconds") or 0), MOST_GRACE_SECONDS)
