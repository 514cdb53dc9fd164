"""A control plane, workers and a network for the operator, all of this machine's loopback.

`servers` runs etcd, kube-apiserver, kube-controller-manager and kube-scheduler, the
real ones. `kubelet` stands in for nodes: what its pods do is told by `behaviour`, and
what they leave by `workshop`, from the order alone. Between the operator and the API
server sits a `proxy`, which records what is asked and can be a bad network. `observer`
sees every version of every object, and `laws` says what must hold in all of them.
`scene` puts them together for one test.
"""
