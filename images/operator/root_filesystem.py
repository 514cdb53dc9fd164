"""Copy all files that a program needs at run time into a folder: the root of its image.

Usage: root_filesystem.py FOLDER operator|cli   in a build stage that has Python and /opt/isheep

The image contains the interpreter, the parts of the standard library that a server can use, the
packages, every shared library that one of them is linked with, the certificates, and a user. It
contains nothing else: no shell, no compiler and no package manager. Scanners find the versions of
Debian's packages in `var/lib/dpkg/status.d`, where images without a package manager have them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = Path("/opt/isheep")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# The package that has made this file; it contains the single certificates.
MAKES_CERTIFICATES = "ca-certificates"
RELEASE = Path("/etc/os-release")
# Parts of the standard library to omit: tests, graphics, and tools that build or install packages.
LEFT_OUT = shutil.ignore_patterns(
    "config-3*", "curses", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data",
    "sitecustomize.py", "site-packages", "dist-packages", "test", "tkinter", "turtledemo",
)  # fmt: skip
# Parts of the packages to omit: build tools, and files for compiling against a package.
NOT_NEEDED = (
    ".lock", "hatchling*", "pathspec*", "pluggy*", "trove_classifiers*", "tests",
    "*.pyx", "*.pxd", "*.h",
)  # fmt: skip
# The packages of the data path, which the image of the operator omits too (a test verifies that the
# operator never reads or writes the store).
DATA_PATH = ("boto3*", "botocore*", "s3transfer*", "numpy*", "rapidfuzz*", "zstandard*")
# Parts of the Kubernetes clients that the image of the operator omits. The operator sends plain
# JSON over a connection of the client, so it needs none of the generated methods of each resource,
# which are a quarter of the image. It loads few of the models, so their bytecode is useless.
METHODS = ("kubernetes/client/api", "kubernetes/aio/client/api")
MODELS = ("kubernetes/client/models", "kubernetes/aio/client/models")
# A library that is loaded by name at run time, so no program is linked with it. Python needs it to
# end a thread.
LOADED_LATER = ("libgcc_s.so.1",)
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/tmp:/none\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def main(root: Path, program: str) -> None:
    """Copy all files of a program, `operator` or `cli`, into the folder `root`."""
    is_operator = program == "operator"
    left_out = shutil.ignore_patterns(*NOT_NEEDED, *(DATA_PATH if is_operator else ()))
    _skeleton(root)
    interpreter = Path(sys.executable).resolve()
    _copy(interpreter, root)
    (root / "usr/bin/python3").symlink_to(interpreter.name)
    standard_library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        standard_library, root / standard_library.relative_to("/"), symlinks=True, ignore=LEFT_OUT
    )
    shutil.copytree(PACKAGES, root / PACKAGES.relative_to("/"), symlinks=True, ignore=left_out)
    if is_operator:
        (packages,) = (root / PACKAGES.relative_to("/")).glob("lib/*/site-packages")
        for folder in (*METHODS, *(f"{models}/__pycache__" for models in MODELS)):
            shutil.rmtree(packages / folder)
    libraries = sorted(_libraries([interpreter, *root.rglob("*.so"), *root.rglob("*.so.*")]))
    for library in libraries:
        _copy(library, root)
    own = [
        path for path in standard_library.rglob("*.py") if (root / path.relative_to("/")).exists()
    ]
    describe_packages({MAKES_CERTIFICATES, *packages_of([interpreter, *libraries, *own])}, root)
    _copy(RELEASE, root)
    for binary in (*root.rglob("*.so"), *root.rglob("*.so.*")):
        subprocess.run(["strip", "--strip-unneeded", str(binary)], check=True)  # noqa: S603, S607
    _copy(CERTIFICATES, root)
    for name, content in ACCOUNTS.items():
        (root / name).write_text(content)


def _skeleton(root: Path) -> None:
    """Make the folders of a merged /usr as in Debian, with the loader's path under /lib64."""
    for folder in ("etc/ssl/certs", "opt", "tmp", "usr/bin", "usr/lib", "usr/lib64"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")


def _libraries(binaries: list[Path]) -> set[Path]:
    """Return the system's shared libraries that the binaries need, including the loader."""
    found: set[Path] = set()
    for binary in binaries:
        listed = subprocess.run(  # noqa: S603  (files of the image that is being built)
            ["ldd", str(binary)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        found |= {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}
    multiarch = next(path.parent for path in found if path.name.startswith("libc.so"))
    found |= {multiarch / name for name in LOADED_LATER}
    return {
        path
        for path in found
        if path.is_relative_to("/lib")
        or path.is_relative_to("/lib64")
        or path.is_relative_to("/usr/lib")
    }


def packages_of(files: list[Path]) -> set[str]:
    """Return the Debian packages that contain the files; a file that no package contains has none.

    Debian knows a file of a merged /usr by one of its two paths.
    """
    paths = {str(path) for file in files for path in (file, file.resolve())}
    paths |= {path.removeprefix("/usr") for path in paths if path.startswith("/usr/lib")}
    found = subprocess.run(  # noqa: S603  (files of the image that is being built)
        ["dpkg-query", "--search", *sorted(paths)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    owners = (line.rpartition(": ")[0] for line in found.splitlines() if ": /" in line)
    names = (name for owner in owners for name in owner.split(", "))
    return {name.partition(":")[0] for name in names if not name.startswith("diversion ")}


def describe_packages(packages: set[str], root: Path) -> None:
    """Write the name, version and source of each package, as dpkg shows them."""
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for package in sorted(packages):
        command = ["dpkg-query", "--status", package]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        (folder / package).write_text(text)


def _copy(file: Path, root: Path) -> None:
    """Copy a file to the same path under `root`; a link becomes a copy of its target."""
    target = root / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file.resolve(), target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
