"""`isheep operator`: carry out the cluster's runs, as the chart's Deployment does."""
# ruff: noqa: PLC0415  (a verb imports what it needs when it runs)

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer


def command(
    config: Annotated[
        Path,
        typer.Option("--config", metavar="FILE", help="The configuration, which the chart writes."),
    ] = Path("/etc/isheep/operator.yaml"),
) -> None:
    """Carry out the runs of a Kubernetes cluster, until stopped.

    The cluster is the one that this process is in, or else KUBECONFIG's.
    """
    from isheep.cli.errors import BadInputError

    try:
        from isheep.kube.config import ConfigError, load_config
        from isheep.kube.handlers import run
        from isheep.kube.operator import Operator
    except ModuleNotFoundError as error:
        raise BadInputError(
            f"{error.name} is not installed: install the extra `operator` (pip install "
            "'isheep[operator]'), or use the operator's image"
        ) from None

    try:
        loaded = load_config(config)
        logging.basicConfig(
            level=logging.DEBUG if loaded.debug else logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
        )
        run(loaded, Operator(loaded, os.environ))
    except ConfigError as error:
        raise BadInputError(str(error)) from None
