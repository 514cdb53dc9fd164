"""Fine-tuning on D(t) and what comes of it: rows, the adapter M(t), its merged weights.

`sft`, `dataset` and `checkpoints` are light to import; the other modules import torch,
peft and Transformers, seconds that only the stages which need them should spend.
"""
