"""The model predicts the outputs of the seed tasks worse.

The limit of 0.2 nats a token is a perplexity 1.22 times as high. A training on the model's own
texts may raise the loss slightly, so a smaller limit would warn about most runs.
"""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="YardstickLoss",
    figure="answerLoss",
    direction="Up",
    limit=0.2,
    relative=False,
    meaning="the model predicts the outputs of the seed tasks worse",
)
