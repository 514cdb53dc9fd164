"""The retry schedule: how long a stage waits before its next attempt, and how many it gets.

`failure_policy` decides which of these applies to an attempt that failed.
"""

from __future__ import annotations

from datetime import timedelta

STALLED_SCHEDULE = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 30))
"""The waits between attempts while a run is Stalled; the last one repeats."""
RETRY_SCHEDULE = tuple(timedelta(seconds=s) for s in (10, 40, 160))
"""The waits before counted retries; one more failure ends the run."""
DISRUPTION_DELAY = timedelta(seconds=10)
"""The wait after a disruption, so that repeated disruptions cannot make a busy loop."""
MAX_MEMORY_REDUCTIONS = 3
"""How often a stage's batch is halved after it did not fit the device's memory."""
