"""One pass over a run: read the cache and the pods, plan, act, and write the status once."""
