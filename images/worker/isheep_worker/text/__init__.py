"""Text without a model: words for ROUGE, parsing of lists, an index of overlaps between texts."""
