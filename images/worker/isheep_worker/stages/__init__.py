"""The stages, one program a file. Each has `run(context) -> Outcome`; `worker.py` calls them."""
