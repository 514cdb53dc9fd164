"""Messages of Kubernetes without the parts that differ at each try.

A Job that may not create its pods tries again and again, each time with another random pod name in
the same message. If the status contained these names, the operator would write the status of each
such run at each look, and every watcher would get it, although nothing has changed.
"""

from __future__ import annotations

import re

_VARYING: tuple[tuple[str, str], ...] = (
    # A sandbox or container of one try; the digest of an image stays.
    (r"(?<!sha256:)\b[0-9a-f]{32,64}\b", "…"),
    (r"\b(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:]+\]):\d+->", r"\1->"),
    (r"\b[Bb]ack-off \d\w* ", "back-off "),
    # A pull fails (ErrImagePull), then the next one is delayed (ImagePullBackOff), and so on.
    (r'Back-off pulling image "[^"]*": (ErrImagePull: )?', ""),
)
"""Patterns of what differs at each try, with their replacements."""


def stable_message(message: str, job: str) -> str:
    """Return a message about a Job's pods that is the same at each try."""
    text = re.sub(rf"\b{re.escape(job)}-(\d+)-[a-z0-9]{{5}}\b", rf"{job}-\1", message)
    for pattern, replacement in _VARYING:
        text = re.sub(pattern, replacement, text)
    return text
