"""What `isheep evaluate` needs for a run and for one model."""
