"""The local driver: carries out a run's plan with worker processes on this machine.

It is one of two drivers (the other makes Kubernetes Jobs of the same plan) and the
whole of `isheep run` but its output. It asks the planner what to do, starts and
stops workers, hands them orders, and keeps the run's documents in the store.
"""
