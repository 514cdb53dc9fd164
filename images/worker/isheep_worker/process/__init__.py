"""The worker's processes: the pod's supervisor and its child, and the server of a local run."""
