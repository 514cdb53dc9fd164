"""Runs generated Python programs so that they can neither read nor change anything of the run.

A program runs in a process of its own (`process`), which gives up its rights before the program's
first line (`inside`): it cannot write files, open sockets, start processes or threads, or signal
another process (`seccomp`), it reads Python's own files only (`landlock`), and it has little time
and memory (`limits`). On a cluster this process is in a second container of the pod, with no
environment, no Secrets and another user.

The programs go to a server through a folder (`exchange`, `server`, `client`). On a cluster the
server is the second container. On one machine the worker starts it, and the code is the same.

`inside` and `server` run in an interpreter without site packages, so all modules but `client`
import the standard library only.
"""
