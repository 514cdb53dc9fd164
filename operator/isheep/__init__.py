"""The I-SHEEP control plane: the API, the planner, the drivers and the command line.

No module of this package imports torch, transformers or vllm. A laptop can therefore validate,
plan and inspect a run that needs a cluster of GPUs. pyproject.toml lists which package may import
which, and import-linter checks the list.
"""

__version__ = "0.1.0"
