"""The local driver: it executes a run's plan with worker processes on this machine.

It is one of two drivers; the other one creates Kubernetes Jobs for the same plan. It does all that
`isheep run` does, except for the output: it calls the planner, starts and stops workers, sends them
orders, and writes the run's documents to the store.
"""
