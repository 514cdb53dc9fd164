"""The worker's processes: the pod's supervisor, its child, and the worker of a local run."""
