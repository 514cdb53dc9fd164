"""Search locks for known vulnerabilities with pip-audit: python hack/audit.py UV LOCK [LOCK …].

pip-audit asks the JSON API of PyPI about each package. It skips a package that the registry does
not know there, and still reports success. A mirror without this API knows none of them. So this
program fails if a package was skipped, and names the number.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AUDITOR = "pip-audit>=2.10,<3"
OPTIONS = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")


def main(arguments: list[str]) -> int:
    """Audit each lock; return 1 if one of them has a problem."""
    uv, *locks = arguments
    found = 0
    for lock in locks:
        problems = audit(uv, Path(lock))
        print(f"{lock}: {'; '.join(problems) or 'no known vulnerabilities'}")
        found += len(problems)
    return int(found > 0)


def audit(uv: str, lock: Path) -> list[str]:
    """Return the problems of a lock, one text each."""
    command = [uv, "tool", "run", "--from", AUDITOR, "pip-audit", *OPTIONS]
    done = subprocess.run(
        [*command, "--requirement", str(lock)], stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return [
            f"pip-audit ended with {done.returncode} and without a report; see its output above"
        ]
    return problems_of(report)


def problems_of(report: Mapping[str, Any]) -> list[str]:
    """Return the problems in a JSON report of pip-audit: vulnerabilities, and what was skipped."""
    packages = report["dependencies"]
    found = [
        f"{package['name']} {package['version']} has {one['id']}, fixed in "
        f"{', '.join(one['fix_versions']) or 'no version'}"
        for package in packages
        for one in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        found.append(
            f"{len(skipped)} of {len(packages)} packages were not audited, because the registry "
            f"does not know them ({', '.join(skipped[:3])} …): use one with the JSON API of PyPI"
        )
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
