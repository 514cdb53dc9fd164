"""Record the parts of the machine that a cluster changes, before its start and after its end.

The records come from the system's own programs, not from the cluster's records, so the
comparison also finds changes that `down` does not handle.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from cluster import settings, traces
from cluster.commands import run

_COUNTERS = re.compile(r"packets \d+ bytes \d+")


def state(binaries: Path) -> dict[str, list[str]]:
    """Return the state of the machine that a cluster changes, by kind."""
    groups = traces.CONTROL_GROUPS
    return {
        "programs": _programs(binaries),
        "mounts": sorted(line.split()[4] for line in _lines("/proc/self/mountinfo")),
        "links": sorted(link["ifname"] for link in json.loads(run(["ip", "-j", "link"]))),
        "namespaces": sorted(run(["ip", "netns", "list"]).splitlines()),
        "routes": sorted(run(["ip", "route", "show", "table", "all"]).splitlines()),
        "firewall": _COUNTERS.sub("", run(["nft", "list", "ruleset"])).splitlines(),
        "control groups": sorted(map(str, groups.glob("**/kubepods"))),
        "parameters": [
            f"{name}={(Path('/proc/sys') / name).read_text().strip()}" for name in traces.PARAMETERS
        ],
        "folders": [
            str(folder)
            for folder in (*traces.FOLDERS, settings.RUN_FOLDER, settings.state())
            if Path(folder).exists()
        ],
    }


def _programs(binaries: Path) -> list[str]:
    """Return the command lines of the running programs of the cluster."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "exe").readlink()
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if program.is_relative_to(binaries):
            found.append(command)
    return sorted(found)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
