"""The worker: the programs that run the stages of a run.

A worker gets one `StageOrder`, reads its inputs from the object store, writes its output there
and returns one `StageResult`. Its only information about the run is the order. It does not use
Kubernetes.
"""
