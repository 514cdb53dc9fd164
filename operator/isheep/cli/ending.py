"""What `isheep run` prints at its end: the iterations, the report, the result, the next command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from isheep.cli.summary import rows, table
from isheep.cli.text import printable
from isheep.contract.exit_codes import ExitCode
from isheep.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from isheep.cli.target import Target
    from isheep.local.conclusion import Conclusion


def show(console: Console, chosen: Target, conclusion: Conclusion, *, again: str) -> None:
    """Print the end of a run; the caller prints the error of a run that did not succeed.

    `again` is the command line that runs or resumes the run.
    """
    view = chosen.submitted()
    found = rows(ArtifactStore(chosen.store, view.namespace), view.status)
    if found:
        console.print(table(found))
    done = conclusion.exit_code is ExitCode.DONE
    for line in (
        f"report: {view.status.report_uri}" if view.status.report_uri else None,
        f"{view.name}: {conclusion.message}" if done else None,
        f"{'to run it again' if done else 'to resume'}: {again}",
    ):
        if line is not None:
            console.print(Text(printable(line)), soft_wrap=True)
