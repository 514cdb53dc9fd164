"""A user's access to the runs of a cluster, with the official client and without kopf."""
