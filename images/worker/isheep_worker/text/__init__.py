"""Text without a model: tokens for ROUGE, parsing of lists, an index of n-gram overlaps."""
