"""The operator: the plan carried out with Kubernetes Jobs.

It is level-triggered. kopf's events (`handlers.py`) and a LIST every few minutes only
feed a cache of slim records (`cache.py`, `records.py`) and wake runs in a queue
(`queue.py`). A pass over a run (`reconcile.py`) reads the cache, asks the planner what
to do, does it, and writes the status once. What decides anything is pure and beside it:
Jobs from starts (`jobs.py`), attempts from Jobs and pods (`observe.py`, `pods.py`),
patches (`patch.py`), Events (`events.py`).

Nothing here reads the store: the operator has no credential for the data.
"""
