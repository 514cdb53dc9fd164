"""`isheep operator`: run the operator, as the chart's Deployment does."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from isheep.logs import LogFormat, configure_logs


def command(
    config: Annotated[
        Path,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Read the configuration from FILE (the chart creates it).",
        ),
    ] = Path("/etc/isheep/operator.yaml"),
    log_format: Annotated[
        LogFormat | None,
        typer.Option("--log-format", help="Write the log in this format [default: configuration]."),
    ] = None,
) -> None:
    """Run the operator of a Kubernetes cluster until it is stopped.

    In a pod the operator uses the pod's cluster, and outside of a cluster the one of KUBECONFIG.
    """
    from isheep.cli.terminal.errors import BadInputError

    try:
        from isheep.kube.config import ConfigError, load_config
        from isheep.kube.process.operator import Operator
        from isheep.kube.process.watching import run
    except ModuleNotFoundError as error:
        raise BadInputError(
            f"{error.name} is not installed: install the extra `operator` (pip install "
            "'isheep[operator]'), or use the image of the operator"
        ) from None

    try:
        loaded = load_config(config)
        configure_logs(
            log_format or loaded.log_format, logging.DEBUG if loaded.debug else logging.INFO
        )
        run(loaded, Operator(loaded, os.environ))
    except ConfigError as error:
        raise BadInputError(str(error)) from None
