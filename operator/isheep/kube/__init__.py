"""The operator: performs plans with Kubernetes Jobs.

The operator is level-triggered. kopf's events (`handlers`) and a LIST every few minutes only update
a cache of slim records (`cache`, `records`) and wake runs in a queue (`queue`). A pass over a run
(`reconciler`) reads the cache, plans, performs the actions (`actions`) and writes the status once.

Everything that decides is pure: Jobs from starts (`jobs`, `volumes`, `services`,
`pod_failure_policy`), attempts from Jobs and pods (`attempts`, `pod_waiting`, `pod_endings`),
patches (`patch`) and Events (`events`).

Nothing here reads the store, so the operator needs no credential for the data.
"""
