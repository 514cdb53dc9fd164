"""What `isheep compare` finds out about runs."""
