"""The message of a refused object, with its errors in one order.

The API server finds the invalid fields of an object in maps, so the same object has its errors in
another order at each try. If the status contained this message, the operator would write the status
of each run with a refused Job at each try, and every watcher would get it, although nothing has
changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def ordered_message(message: str, causes: Sequence[Mapping[str, Any]]) -> str:
    """Return a message of the API server with its list of field errors in alphabetical order.

    Args:
        message: The message of a Status, such as `Job "x" is invalid: [b: Required, a: Required]`.
        causes: The causes in the details of the Status: a field and a message each.

    Returns:
        The message unchanged if it does not contain the list of exactly these causes.
    """
    # The message has each error once; the causes have each one as often as it was found.
    errors = list(dict.fromkeys(f"{one.get('field')}: {one.get('message')}" for one in causes))
    return message.replace(_listed(errors), _listed(sorted(errors)))


def _listed(errors: Sequence[str]) -> str:
    return f"[{', '.join(errors)}]"
