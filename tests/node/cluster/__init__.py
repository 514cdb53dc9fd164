"""A one-node Kubernetes on this machine, of the pinned binaries and Debian's packages.

For tests of what only a node can show: images that start, pods that really run, are
killed and drained, Pod Security that is enforced. No Docker and no kind; everything
listens on loopback or on a bridge of its own, and `down` leaves nothing behind.
"""
