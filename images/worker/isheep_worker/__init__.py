"""The programs that a run's stages are made of.

A worker gets one `StageOrder`, reads its inputs from the object store, writes
its output there and leaves one `StageResult`. It knows nothing of Kubernetes,
of other stages' progress, or of the run beyond its order.
"""
