"""Statistics of paired comparisons: intervals, tests, and what a number of items can detect."""
