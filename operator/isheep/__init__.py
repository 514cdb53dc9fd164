"""I-SHEEP as one declarative object: the control plane and everything pure.

Nothing in this package imports torch, transformers or vllm: a laptop can
validate, plan and look at a run that 512 GPUs carry out. The floors between
the packages stand in pyproject.toml and are held by import-linter.
"""

__version__ = "0.1.0"
