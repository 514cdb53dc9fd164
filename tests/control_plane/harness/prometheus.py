"""The real Prometheus, which reads the metrics of one program every second."""

from __future__ import annotations

import functools
import http.client
import json
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from .ports import free_port
from .servers import BUILD, START_SECONDS, Program
from .waiting import until


@functools.cache
def prometheus_files() -> Path:
    """Return the folder of Prometheus and promtool, which are built first."""
    command = [sys.executable, str(BUILD), "monitoring"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    return Path(built.stdout.strip().splitlines()[-1])


class Prometheus:
    """A Prometheus in a folder that reads the metrics at a port of this machine."""

    def __init__(self, folder: Path, target: int, rules: Path | None = None) -> None:
        self._port = free_port()
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)] if rules is not None else [],
            "scrape_configs": [
                {
                    "job_name": "isheep-operator",
                    "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
                }
            ],
        }
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(configuration))
        command = [
            str(prometheus_files() / "prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        self._program = Program(command, folder / "prometheus.log")

    def start(self) -> Prometheus:
        """Start, and wait until it answers."""
        self._program.start()

        def ready() -> bool:
            assert self._program.is_alive(), self.log()
            try:
                return self._get("/-/ready")[0] == 200
            except (OSError, http.client.HTTPException):
                return False

        until(ready, START_SECONDS, otherwise=self.log)
        return self

    def stop(self) -> None:
        """Stop by pid."""
        self._program.stop()

    def log(self) -> str:
        return self._program.log.read_text(errors="replace")[-2000:]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query; fails if Prometheus refuses it."""
        path = f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        status, text = self._get(path)
        answer = json.loads(text)
        assert status == 200, f"{expression}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return the loaded rules with their health."""
        groups = json.loads(self._get("/api/v1/rules")[1])["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
