"""The labels and names in pods on which the operator, a user's commands and the worker agree."""

from __future__ import annotations

RUN_LABEL = "isheep.dev/run"
CONTAINER = "worker"
"""The container of a pod in which its stages run."""
SANDBOX_CONTAINER = "sandbox"
"""The container of a pod that runs generated code."""
SANDBOX_VARIABLE = "ISHEEP_SANDBOX"
"""The variable with the folder that the two containers share."""
