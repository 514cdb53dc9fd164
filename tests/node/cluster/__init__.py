"""A one-node Kubernetes on this machine, from pinned binaries and packages of Debian.

The tests that need a node use it: they start images, run real pods, kill and drain them,
and check that Pod Security is enforced. The cluster needs neither Docker nor kind. All
programs listen on loopback or on the cluster's own bridge, and `down` removes all traces.
"""
