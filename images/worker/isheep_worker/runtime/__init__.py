"""Services that every package of the worker uses: orders, errors, logs, progress and stopping."""
