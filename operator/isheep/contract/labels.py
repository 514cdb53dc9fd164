"""The labels and names in pods by which the operator and a user's commands find a run's pods."""

from __future__ import annotations

RUN_LABEL = "isheep.dev/run"
CONTAINER = "worker"
"""The container of a pod in which its stages run."""
