"""Objects that cannot be read: each object is parsed alone, and one that fails stops no other one.

Anybody who may create Jobs can give them the operator's label, and an earlier schema may have
allowed what this version does not expect. If one such object ended a LIST, the operator would serve
no run of the cluster. So an object that cannot be parsed is left out. It is reported once in the
log, and counted in a metric until it can be parsed again or is gone. The cache keeps what it knew
of the object before: a Job that exists occupies its stage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

from isheep.logs import log_event

RecordT = TypeVar("RecordT")
Key = tuple[str, str]
"""Resource and UID."""
MESSAGE_CHARACTERS = 300
_LOG = logging.getLogger(__name__)


class Unreadable:
    """The objects that cannot be read now, by resource and UID."""

    def __init__(self) -> None:
        self._namespaces: dict[Key, str] = {}

    def read(
        self,
        resource: str,
        document: Mapping[str, Any],
        record_of: Callable[[Mapping[str, Any]], RecordT | None],
    ) -> RecordT | None:
        """Return the record of an object; None if it has none, or if it cannot be read."""
        metadata = document.get("metadata") or {}
        key = (resource, str(metadata.get("uid")))
        try:
            record = record_of(document)
        except Exception as error:  # noqa: BLE001 (anybody may have written the object)
            if key not in self._namespaces:
                log_event(
                    _LOG,
                    logging.ERROR,
                    "Object cannot be read, and is left out",
                    resource=resource,
                    namespace=metadata.get("namespace"),
                    name=metadata.get("name"),
                    error=f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS],
                )
            self._namespaces[key] = str(metadata.get("namespace"))
            return None
        self._namespaces.pop(key, None)
        return record

    def uids(self, resource: str) -> set[str]:
        """Return the UIDs of the objects of a resource that cannot be read."""
        return {uid for found, uid in self._namespaces if found == resource}

    def drop(self, resource: str, uid: str) -> None:
        """Forget an object that was deleted."""
        self._namespaces.pop((resource, uid), None)

    def keep(self, resource: str, namespace: str | None, present: Collection[str]) -> None:
        """Forget the objects of a namespace that a LIST does not contain; None is all of them."""
        gone = [
            (found, uid)
            for (found, uid), place in self._namespaces.items()
            if found == resource and namespace in (None, place) and uid not in present
        ]
        for key in gone:
            del self._namespaces[key]

    def counts(self) -> Iterator[tuple[str, str]]:
        """Yield resource and namespace of each object that cannot be read."""
        for (resource, _), namespace in self._namespaces.items():
            yield resource, namespace
