"""What `isheep run` prints at its end: the iterations, the report, the result, what to do next.

A run that was stopped can be resumed by the same command. A run that has failed ends in the same
way again, so its end names what to change.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from isheep.cli.figures.best_text import best_text
from isheep.cli.figures.committed_figures import figures
from isheep.cli.figures.record_texts import record_texts
from isheep.cli.figures.summary import rows, table
from isheep.cli.terminal.text import printable
from isheep.contract.exit_codes import ExitCode
from isheep.local.results import committed_keys
from isheep.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from isheep.cli.arguments.target import Target
    from isheep.local.conclusion import Conclusion


_BAD_INPUT = ExitCode.BAD_INPUT


class _Console(Console):
    """A console whose reader may end, which is then an error like that of every other output."""

    def on_broken_pipe(self) -> None:
        """Raise the error again; rich would exit with 1."""
        raise  # noqa: PLE0704  (rich calls this method while it handles the error)


def console() -> Console:
    """Return the console of stdout."""
    return _Console(highlight=False)


def show(
    console: Console, chosen: Target, conclusion: Conclusion, *, again: str, quiet: bool = False
) -> None:
    """Print the end of a run; the caller prints the error of a run that failed or is stalled.

    `again` is the command line that runs or resumes the run. If `quiet`, the function prints one
    line: how the run ended or, after an error, what to do.
    """
    view = chosen.submitted()
    last_lines = _last_lines(view.name, chosen.file, conclusion, again)
    if quiet:
        for line in last_lines[:1]:
            console.print(Text(printable(line)), soft_wrap=True)
        return
    artifacts = ArtifactStore(chosen.store, view.namespace)
    found = rows(artifacts, view.status)
    if found:
        console.print(table(found))
    for record in view.status.history:
        for text in record_texts(record):
            console.print(Text(text), soft_wrap=True)
    if (best := view.status.best) is not None and best.metric is not None:
        console.print(Text(f"best model: {best_text(best)}"), soft_wrap=True)
    if conclusion.end == "Failed":
        for line in figures(artifacts, committed_keys(view.status)):
            console.print(Text(printable(line)), soft_wrap=True)
    report = chosen.report_uri()
    lines = [f"report: {report}"] if report else []
    for line in (*lines, *last_lines):
        console.print(Text(printable(line)), soft_wrap=True)


def has_error(conclusion: Conclusion) -> bool:
    """Return whether the run ended with an error; a stop on request is none."""
    return conclusion.exit_code not in (ExitCode.DONE, ExitCode.STOPPED)


def _last_lines(name: str, file: Path, conclusion: Conclusion, again: str) -> list[str]:
    if conclusion.end == "Failed":
        where = f"; the settings are in {file}" if conclusion.exit_code == _BAD_INPUT else ""
        return [f"what to do: {conclusion.remedy}{where}"] if conclusion.remedy else []
    if conclusion.end == "Stalled":
        return [f"to resume after that: {again}"]
    if conclusion.exit_code is ExitCode.STOPPED:
        return [
            f"{name}: {conclusion.message}; run the same command to resume",
            f"to resume: {again}",
        ]
    if conclusion.end == "Paused":
        return [
            f"{name}: {conclusion.message}",
            "to continue: run the same command without --until, or with a later stage",
        ]
    return [f"{name}: {conclusion.message}", f"to run it again: {again}"]
