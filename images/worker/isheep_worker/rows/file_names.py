"""Names of the files that one stage writes and that the report reads."""

from __future__ import annotations

PREPARE_TIMINGS_FILE = "prepare.json"
"""The times of prepare, under the run's name."""
TRAINING_LOG_FILE = "log.jsonl.zst"
"""The losses of each training step, in the artifact of train."""
SAMPLE_ANSWERS_FILE = "samples.jsonl.zst"
"""The answers to fixed prompts before and after training, in the artifact of train."""
BENCHMARK_RESULTS_FILE = "results.json"
"""The results of lm-eval in its own format, in the artifact of score."""
