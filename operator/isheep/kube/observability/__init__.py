"""What the operator shows of runs to monitoring: metrics and traces."""
