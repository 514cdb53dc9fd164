"""The operator: performs plans with Kubernetes Jobs.

The operator is level-triggered. kopf's events (`process.handlers`) and a LIST every few minutes
only update a cache of slim records (`cache`) and wake runs in a queue (`queue`). A pass over a run
(`passes.reconciler`) reads the cache, plans, performs the actions (`passes.actions`) and writes
the status once.

Everything that decides is pure: Jobs from starts (`job_building`), attempts from Jobs and pods
(`passes.attempts`, `pods`), patches (`passes.patch`) and Events (`passes.events`).

Nothing here reads the store, so the operator needs no credential for the data.
"""
