"""Hostile programs: each tries to reach something, and passes if the kernel refuses that."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from isheep_worker.sandbox import process
from isheep_worker.sandbox.interpreter import command
from isheep_worker.sandbox.limits import REPORT_BYTES, Limits
from isheep_worker.sandbox.process import UnconfinedError, Verdict, run_program

PASSED = Verdict(True, "passed")
USUAL = Limits()
BRIEF = Limits(cpu_seconds=1, wall_seconds=0.5)

REFUSED = """
import errno
def refused(function, *arguments, error):
    try:
        function(*arguments)
    except OSError as found:
        assert found.errno == error, errno.errorcode[found.errno]
    else:
        raise AssertionError("it is possible")
"""


def run(program: str, limits: Limits = USUAL) -> Verdict:
    return run_program(textwrap.dedent(program), limits, needs_landlock=True)


def attempt(program: str) -> None:
    assert run(REFUSED + textwrap.dedent(program)) == PASSED


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("x = 1", PASSED),
        ("assert 1 == 2", Verdict(False, "failed: AssertionError")),
        ("def", Verdict(False, "failed: SyntaxError")),
        ("raise SystemExit(0)", Verdict(False, "failed: SystemExit")),
        ("input()", Verdict(False, "failed: EOFError")),
        ("import numpy", Verdict(False, "failed: ModuleNotFoundError")),
        # The program passes by accident, if the end of the process were enough.
        ("import os; os._exit(0)", Verdict(False, "failed: the process ended early with code 0")),
        ("x = '\\ud800'", PASSED),
    ],
)
def test_verdicts(program: str, verdict: Verdict) -> None:
    assert run(program) == verdict


def test_a_program_can_use_the_standard_library() -> None:
    modules = "asyncio, collections, ctypes, datetime, decimal, fractions, hashlib, heapq, json, "
    modules += "math, random, re, sqlite3, statistics, string, typing, unicodedata, zoneinfo"
    assert run(f"import {modules}\nassert hashlib.sha256(b'').hexdigest()") == PASSED


def test_a_verdict_is_the_same_each_time() -> None:
    program = (
        "import random\n"
        "raise type('E' + str([*{'a', 'b', 'c'}, random.random()]), (Exception,), {})"
    )
    assert run(program) == run(program) != PASSED


def test_a_program_inherits_nothing() -> None:
    """No environment, no descriptors, and no __future__ import of the module that executes it."""
    assert os.environ
    attempt("""
        import os, sys
        assert not os.environ, os.environ
        assert not [path for path in sys.path if "isheep" in path], sys.path
        def annotated(x: 1 + 1): pass
        assert annotated.__annotations__ == {"x": 2}
        for descriptor in (0, 1, 2):
            assert os.read(0, 1) == b"" and os.write(descriptor, b"x") == 1
        refused(os.fstat, 4, error=errno.EBADF)
    """)


def test_files_of_the_user_cannot_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("secret")
    attempt(f"""
        import os
        for path in ({str(secret)!r}, "/etc/passwd", "/var/run/secrets", "/proc/self/environ",
                     "/proc/{os.getpid()}/environ", "/proc/{os.getpid()}/mem", "/proc/1/cmdline"):
            try:
                os.stat(path)
            except OSError:
                continue
            refused(os.open, path, os.O_RDONLY, error=errno.EACCES)
        refused(os.listdir, "/proc", error=errno.EACCES)
        refused(os.listdir, {str(tmp_path)!r}, error=errno.EACCES)
        refused(open, {str(secret)!r}, error=errno.EACCES)
    """)


def test_nothing_can_be_written(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    attempt(f"""
        import os
        folder, kept = {str(tmp_path)!r}, {str(kept)!r}
        refused(open, folder + "/new", "w", error=errno.EROFS)
        refused(open, kept, "a", error=errno.EROFS)
        refused(os.open, kept, os.O_RDONLY | os.O_TRUNC, error=errno.EROFS)
        refused(os.open, folder, os.O_RDWR | os.O_TMPFILE, error=errno.EROFS)
        refused(os.truncate, kept, 0, error=errno.ENOSYS)
        refused(os.unlink, kept, error=errno.ENOSYS)
        refused(os.rename, kept, folder + "/x", error=errno.ENOSYS)
        refused(os.mkdir, folder + "/x", error=errno.ENOSYS)
        refused(os.symlink, kept, folder + "/x", error=errno.ENOSYS)
        refused(os.chmod, kept, 0, error=errno.ENOSYS)
        refused(os.mkfifo, folder + "/x", error=errno.ENOSYS)
        refused(os.memfd_create, "x", error=errno.ENOSYS)
    """)
    assert kept.read_text() == "kept"
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


def test_there_are_no_sockets() -> None:
    attempt("""
        import socket
        for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
            refused(socket.socket, family, socket.SOCK_STREAM, error=errno.EPERM)
        refused(socket.socketpair, error=errno.EPERM)
    """)


def test_no_process_can_be_started_or_left_behind() -> None:
    """A fork bomb fails at its first fork. A process that cannot fork cannot survive by setsid."""
    attempt("""
        import os, subprocess, sys, threading
        refused(os.fork, error=errno.EPERM)
        refused(subprocess.run, [sys.executable, "-c", ""], error=errno.EPERM)
        refused(os.posix_spawn, "/bin/true", ["true"], {}, error=errno.EPERM)
        refused(os.execv, "/bin/true", ["true"], error=errno.EPERM)
        refused(os.setsid, error=errno.ENOSYS)
        refused(os.setpgid, 0, 0, error=errno.ENOSYS)
        try:
            threading.Thread(target=print).start()
        except RuntimeError:
            pass
        else:
            raise AssertionError("a thread runs")
    """)


def test_other_processes_are_out_of_reach() -> None:
    attempt("""
        import fcntl, os, resource, signal
        parent = os.getppid()
        for process in (parent, -1, 0, -parent, 1):
            refused(os.kill, process, signal.SIGTERM, error=errno.EPERM)
        reader, writer = os.pipe()
        refused(fcntl.fcntl, reader, fcntl.F_SETOWN, parent, error=errno.EPERM)
        refused(fcntl.fcntl, reader, fcntl.F_SETFL, os.O_ASYNC, error=errno.EPERM)
        refused(resource.prlimit, parent, resource.RLIMIT_CPU, (1, 1), error=errno.EPERM)
        refused(os.sched_setaffinity, parent, {0}, error=errno.ENOSYS)
        refused(os.setpriority, os.PRIO_PROCESS, parent, 5, error=errno.ENOSYS)
        refused(os.pidfd_open, parent, error=errno.ENOSYS)
    """)


def test_system_calls_that_break_isolation_do_not_exist() -> None:
    attempt("""
        import ctypes
        library = ctypes.CDLL(None, use_errno=True)
        for name in ("ptrace", "process_vm_readv", "process_vm_writev", "mount", "unshare", "setns",
                     "chroot", "setuid", "personality", "prctl", "inotify_init1", "mlockall"):
            assert getattr(library, name)(0, 0, 0, 0, 0) == -1, name
            assert ctypes.get_errno() == errno.ENOSYS, name
        # io_uring_setup, pidfd_getfd, process_madvise, process_mrelease
        for number in (425, 438, 440, 448):
            assert library.syscall(number, 0, 0, 0) == -1
            assert ctypes.get_errno() == errno.ENOSYS, number
        assert library.syscall(435, 0, 0) == -1 and ctypes.get_errno() == errno.ENOSYS  # clone3
    """)


def test_limits_cannot_be_raised() -> None:
    attempt("""
        import resource
        kinds = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
        for kind in kinds:
            hard = resource.getrlimit(kind)[1]
            try:
                resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            except (OSError, ValueError):
                pass
            assert resource.getrlimit(kind)[1] == hard > 0
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    """)


def test_memory_is_limited() -> None:
    assert run("x = b'a' * (1 << 31)") == Verdict(False, "failed: MemoryError")


@pytest.mark.parametrize(
    "program",
    ["while True: pass", "import signal\nsignal.signal(signal.SIGXCPU, print)\nwhile True: pass"],
)
def test_a_loop_ends(program: str) -> None:
    assert run(program, BRIEF) == Verdict(False, "timed out")


def test_the_time_on_a_processor_ends_a_loop() -> None:
    assert run("while True: pass", Limits(1, 30.0)) == Verdict(False, "timed out")


def test_a_program_that_waits_ends() -> None:
    program = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"
    assert run(program, BRIEF) == Verdict(False, "timed out")
    assert run("import time\ntime.sleep(60)", BRIEF) == Verdict(False, "timed out")


def test_output_goes_nowhere() -> None:
    assert run("import sys\nprint('a' * 10**7)\nprint('a' * 10**7, file=sys.stderr)") == PASSED


def test_a_forged_report_is_no_verdict() -> None:
    forged = """
        import json, os
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, json.dumps(["0" * 32, "passed", ""]).encode())
            except OSError:
                pass
        os._exit(0)
    """
    assert run(forged) == Verdict(False, "failed: the process ended early with code 0")


@pytest.mark.parametrize("content", ['b"[" * 3000', 'b"{}"', 'b"1"', 'b"\\xff"', 'b"\\n" * 9'])
def test_another_report_is_no_verdict(content: str) -> None:
    assert not run(f"import os; os.write(3, {content} + b'\\n')").passed


def test_the_report_has_a_limit_and_cannot_be_changed() -> None:
    """A program that finds the file of the report can neither fill the memory nor deny a line."""
    attempt("""
        import mmap, os
        refused(os.read, 3, 1, error=errno.EBADF)
        refused(os.pwrite, 3, b"x", 0, error=errno.ENOSYS)
        refused(os.ftruncate, 3, 0, error=errno.ENOSYS)
        refused(mmap.mmap, 3, 10, error=errno.EACCES)
        os.lseek(3, 0, os.SEEK_SET)
    """)
    filled = f"""
        import errno, os
        os.lseek(3, 0, os.SEEK_SET)
        assert os.write(3, b"x" * 10**7) < {REPORT_BYTES}
        try:
            os.write(3, b"x")
        except OSError as error:
            os._exit(error.errno)
    """
    assert run(filled) == Verdict(False, f"failed: the process ended early with code {errno.EFBIG}")


def without_landlock(module: str, *arguments: str) -> list[str]:
    """Return the command of a process on a kernel that has no Landlock."""
    *interpreter, start, root = command(module, *arguments)
    broken = (
        "from isheep_worker.sandbox import inside\n"
        "def missing(_): raise OSError(38, 'Function not implemented')\n"
        "inside.restrict_reading = missing\n"
    )
    return [*interpreter, f"import sys; sys.path.append(sys.argv[1])\n{broken}\n{start}", root]


def test_without_landlock_a_program_needs_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "command", without_landlock)
    with pytest.raises(UnconfinedError, match=r"Landlock does not work.*Function not implemented"):
        run_program("", Limits(), needs_landlock=True)
    # In a container, the filter of system calls still refuses to write and to start processes.
    program = REFUSED + textwrap.dedent("""
        import os, socket
        refused(open, "/tmp/isheep-sandbox-test", "w", error=errno.EROFS)
        refused(os.fork, error=errno.EPERM)
        refused(socket.socket, error=errno.EPERM)
        refused(os.kill, os.getppid(), 9, error=errno.EPERM)
    """)
    assert run_program(program, Limits(), needs_landlock=False) == PASSED


def test_a_process_that_ends_before_its_program_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "command", lambda _: [sys.executable, "-c", "exit(3)"])
    with pytest.raises(UnconfinedError, match="ended early with code 3"):
        run_program("", Limits(), needs_landlock=True)


def test_without_seccomp_no_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_seccomp(module: str, *arguments: str) -> list[str]:
        changed = ("restrict_reading", "restrict_system_calls"), ("missing(_)", "missing()")
        found = without_landlock(module, *arguments)
        for old, new in changed:
            found = [one.replace(old, new) for one in found]
        return found

    monkeypatch.setattr(process, "command", without_seccomp)
    with pytest.raises(UnconfinedError, match=r"seccomp.*does not work"):
        run_program("", Limits(), needs_landlock=False)


def test_a_hidden_process_is_closed_to_its_user() -> None:
    """The worker on one machine, and the sandbox in a container without Landlock."""
    hidden = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "from isheep_worker.sandbox.kernel import hide_process\n"
            "hide_process()\nprint('hidden', flush=True)\ninput()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert hidden.stdin is not None
    assert hidden.stdout is not None
    try:
        assert hidden.stdout.readline() == "hidden\n"
        reader = f"""
from isheep_worker.sandbox.kernel import drop_capabilities
drop_capabilities()
for name in ("environ", "mem", "maps"):
    try:
        open("/proc/{hidden.pid}/" + name, "rb").read(1)
    except PermissionError:
        continue
    raise SystemExit(name)
"""
        subprocess.run([sys.executable, "-c", reader], check=True)
    finally:
        hidden.communicate("\n")
