"""What the log and the termination message show of an exception.

The messages of libraries quote values: a text that a model generated, or a URL with a credential.
A message is therefore shown only if our code defined the type of the exception, or if messages of
its type contain no such value. Of any other exception, the type and the place in our code are
shown. They are enough to find the cause, because the store has the inputs of the stage.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

_PACKAGES = ("isheep", "isheep_worker")
_MESSAGE_CHARACTERS = 300
# The supervisor finds exhausted memory by these words in the log. torch raises RuntimeError for it.
_PHRASES = ("out of memory", "can't allocate memory")


def describe(error: BaseException, *, place: bool = True) -> str:
    """Return the type of an exception, and its message in one line if it can be shown.

    If the message cannot be shown, the place in our code follows the type. `place` is False if the
    reader sees the place elsewhere.
    """
    message = shown_message(error)
    if message is not None:
        name = type(error).__name__
        return f"{name}: {message}" if message else name
    found = place_of(error) if place else None
    about = "".join(f"{phrase}; " for phrase in _PHRASES if phrase in str(error).lower())
    return f"{_full_name(error)} ({about}message not shown)" + (f" at {found}" if found else "")


def shown_message(error: BaseException) -> str | None:
    """Return the message of an exception in one line, or None if it can contain any value."""
    if _is_ours(error) or isinstance(error, ImportError | MemoryError):
        return first_line(str(error))
    if isinstance(error, OSError) and error.strerror:
        return system_message(error)
    if isinstance(error, ValidationError):
        # The lines after the first one quote the invalid values.
        return f"{error.error_count()} invalid fields in {error.title}"
    return None if str(error) else ""


def system_message(error: OSError) -> str:
    """Return the text of the operating system, with the path if its folder exists.

    A library that takes a text for a file name raises an error with that text as the path.
    """
    path = error.filename
    is_path = isinstance(path, str) and path.startswith("/") and _is_folder(Path(path).parent)
    text = first_line(error.strerror or type(error).__name__)
    return f"{text}: {first_line(path)}" if is_path else text


def place_of(error: BaseException) -> str | None:
    """Return the last file and line of our code that an exception passed, or None."""
    places = [f"{path}:{line}" for path, line in _places(error)]
    return places[-1] if places else None


def first_line(text: str) -> str:
    """Return the first line of a text, at most 300 characters long."""
    return text.strip().partition("\n")[0][:_MESSAGE_CHARACTERS]


def _is_ours(error: BaseException) -> bool:
    """Return whether our code has defined the type of an exception.

    A `ValueError` that our code raises is not shown either, because the same lines can pass on the
    error of a library, such as `float(text)`. The place leads to the line with its message.
    """
    return type(error).__module__.partition(".")[0] in _PACKAGES


def _places(error: BaseException) -> Iterator[tuple[str, int]]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _is_our_frame(frame):
            package = frame.f_globals["__name__"].partition(".")[0]
            _, _, path = frame.f_code.co_filename.rpartition(f"/{package}/")
            yield f"{package}/{path}", line


def _is_our_frame(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _PACKAGES


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _full_name(error: BaseException) -> str:
    module, name = type(error).__module__, type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"
