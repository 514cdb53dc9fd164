"""A control plane, fake workers and a controllable network for the operator, all on loopback.

`servers` runs the real etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
`kubelet` replaces the nodes: `pod_behaviour` defines how its pods end, and `fake_workers`
computes their results from the orders alone. `proxy` is the network between the operator
and the API server: it records requests and can delay, reject and interrupt them.
`observer` records every version of every object, and `invariants` checks what must hold
in all versions. `namespace_fixture` combines these parts for one test.
"""
