"""LoRA fine-tuning on D(t): its rows, the adapter, and the merged weights of M(t).

Importing `checkpoints`, `dataset`, `machine`, `outcome` or `sft` takes little time. The other
modules import torch, peft and Transformers, which takes seconds, so only the stages that need
them import them.
"""
