"""The blocks of code of a page in Markdown, and how a reader types those that are commands.

A block without a language has commands for a shell. A comment on the line before a block can say
that a test cannot run it, and why (`<!-- not run: REASON -->`), or that the reader presses Ctrl-C
when the output contains a text (`<!-- interrupt at: TEXT -->`).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<language>[\w-]*)$")
MARK = re.compile(r"^<!-- (?P<kind>not run|interrupt at): (?P<text>.+) -->$")
SECONDS = 1500


@dataclass(frozen=True)
class Block:
    """A block of a page, which begins at a line; `not_run` is the reason if no test runs it."""

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    interrupt_at: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path, name: str) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    lines = path.read_text("utf-8").splitlines()
    start = None
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if start is None:
            start, language = number, fence["language"]
            continue
        marks = MARK.match(lines[start - 1]) if start else None
        kind, text = (marks["kind"], marks["text"]) if marks else ("", "")
        yield Block(
            name,
            start + 1,
            language,
            "\n".join(lines[start + 1 : number]) + "\n",
            not_run=text if kind == "not run" else "",
            interrupt_at=text if kind == "interrupt at" else "",
        )
        start = None
    assert start is None, f"{name}:{start}: the block has no end"


class Reader:
    """Types the blocks in a folder, in one shell: exported variables remain for later blocks.

    `typed` are the texts that the reader types in place of others, such as the folder of a model.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], typed: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self.typed = typed
        self.used: set[str] = set()
        self.outputs: dict[str, str] = {}

    def type(self, block: Block) -> str:
        """Type a block, check that it succeeds, and return its output."""
        text = block.text
        for printed, typed in self.typed.items():
            if printed in text:
                self.used.add(printed)
                text = text.replace(printed, typed)
        variables = self.folder / ".variables"
        script = f"set -euo pipefail\n{text}\nexport -p > {variables}\n"
        if variables.exists():
            script = f"source {variables}\n{script}"
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output = _interrupted(process, block.interrupt_at) if block.interrupt_at else ""
            output += process.communicate(timeout=SECONDS)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        expected = 143 if block.interrupt_at else 0
        assert process.returncode == expected, f"{block.place}\n{text}\n{output}"
        self.outputs[block.place] = output
        return output


def _interrupted(process: subprocess.Popen[str], text: str) -> str:
    """Read the output up to a line with `text`, press Ctrl-C, and return what was read."""
    assert process.stdout is not None
    read = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            os.killpg(process.pid, signal.SIGINT)
            return "".join(read)
    raise AssertionError(f"no line contains {text!r}:\n{''.join(read)}")
