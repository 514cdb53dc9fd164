"""Structured logs: one line for each action and transition, with its fields as `key=value`.

The text format is for people and for `grep`: a short sentence and then logfmt-like fields. The
JSON format has one object a line for log collectors. Fields contain names, ids, counts and
seconds, and never a secret or generated text.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

LogFormat = Literal["Text", "Json"]
"""The formats of a log."""
KEY_CHARACTERS = 12
"""How much of a key a log line contains: enough to find the stage in the store."""
_FIELDS = "isheep_fields"


def log_event(logger: logging.Logger, level: int, message: str, /, **fields: object) -> None:
    """Log a message with fields; a field that is None is left out."""
    if logger.isEnabledFor(level):
        known = {name: value for name, value in fields.items() if value is not None}
        logger.log(level, message, extra={_FIELDS: known})


def stage_fields(
    *, namespace: str, run: str, stage: str | None, attempt: int, key: str | None
) -> dict[str, object]:
    """Return the fields that name an attempt at a stage, the same in every log."""
    return {
        "namespace": namespace,
        "run": run,
        "stage": stage,
        "attempt": attempt,
        "key": key and key[:KEY_CHARACTERS],
    }


class TextFormatter(logging.Formatter):
    """`<time> <level> <logger> <message> key=value …`; a value with spaces is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line, and the traceback after it if there is one."""
        fields = "".join(f" {name}={_text(value)}" for name, value in _fields_of(record).items())
        message = _one_line(record.getMessage())
        line = f"{_time(record)} {record.levelname} {record.name} {message}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `time`, `level`, `logger` and `message` come first."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of JSON."""
        document: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


def configure_logs(log_format: LogFormat, level: int, stream: TextIO | None = None) -> None:
    """Send all logs of this process to a stream, stderr by default, from a level on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "Json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, _FIELDS, {})
    return fields


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _one_line(text: str) -> str:
    """Return a message without what would begin another line, or command a terminal."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _text(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and text and not any(c.isspace() or c in "\"='" for c in text)
    return text if plain else _one_line(json.dumps(text, ensure_ascii=False))
