"""How D(t) is chosen from scored pairs, one method a file."""
