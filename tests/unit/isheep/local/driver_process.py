"""Run the driver with the fake worker in a process: `driver_process.py <harness folder> <spec>`."""

import json
import os
import signal
import sys
from pathlib import Path

from isheep.contract.store_spec import parse_store_uri
from isheep.local.inbox import StopRequested
from isheep.local.session import Session
from isheep.local.worker import Inbox
from isheep.planner.plan import plan
from isheep.planner.types import Environment
from isheep.store import open_store


class SilentListener:
    def started(self, attempt):
        pass

    progressed = ended = status = note = started


def main(folder: Path, spec: dict) -> int:
    store = parse_store_uri(str(folder / "store"))
    inbox = Inbox()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: inbox.put(StopRequested()))
    session = Session(
        store=open_store(store),
        planner=plan,
        environment=Environment(default_storage=store),
        process_environment=os.environ,
        listener=SilentListener(),
        inbox=inbox,
        command=(sys.executable, str(Path(__file__).with_name("fake_worker.py"))),
    )
    return session.run("default", "lamb", spec, {}).exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
