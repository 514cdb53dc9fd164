"""What every part of the worker uses: orders, failures, logs, progress and the stop flag."""
