"""Guards: rules that raise an alarm if a figure shows that a model collapses."""
