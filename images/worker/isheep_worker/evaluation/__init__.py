"""Benchmarks with lm-eval (the Language Model Evaluation Harness) as a library, on our engines.

lm-eval has the tasks: their prompts, filters and metrics. Nothing of that is written again here.
The package divides an evaluation into three steps, so that each can be a stage of its own:

1. `rendering.render` builds all requests of a benchmark as token ids, without a model.
2. `running.run` answers requests with an engine; a stage can also use `requests` and its own loop.
3. `results.score` computes the metrics from stored outputs, without a model and a tokenizer.

`benchmark.load_benchmark` loads a task for the first and the third step.
"""
