"""The run that owns a Job or a Service.

Every object that the operator creates has an owner reference to its run, so the garbage collector
deletes the object together with the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isheep.api.run import GROUP, KIND, VERSION

Document = dict[str, Any]
"""An object of the Kubernetes API as JSON."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A run, as its objects refer to it."""

    name: str
    uid: str
    kueue_labels: Mapping[str, str]


def owner_references(owner: Owner) -> list[Document]:
    """Return the `ownerReferences` of an object that a run owns."""
    return [
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": owner.name,
            "uid": owner.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
