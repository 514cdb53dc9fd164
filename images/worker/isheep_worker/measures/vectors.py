"""Vectors as rows hold them: base64 of float16, little-endian.

Half precision, because what k-means asks of a vector is which others are near; base64,
because a row is a line of JSON. A vector of 4,096 numbers is 11 kB so, and 8 kB once its
part is compressed: in decimals it would be 40.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import numpy as np

DTYPE = "<f2"
ITEM_BYTES = 2


def encode_vector(vector: Any) -> str | None:
    """Return an array of floats as a row holds it; None where half precision cannot."""
    with np.errstate(over="ignore"):
        halves = vector.astype(DTYPE)
    return b64encode(halves.tobytes()).decode() if np.isfinite(halves).all() else None


def vector_bytes(text: str) -> bytes:
    """Return the bytes of a row's vector, `ITEM_BYTES` a number."""
    return b64decode(text, validate=True)
