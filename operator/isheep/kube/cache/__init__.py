"""What the operator keeps of the cluster: slim records of runs and Jobs, by UID."""
