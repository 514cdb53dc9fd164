"""skaffold.yaml refers to existing files and to values of the chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
BUILT = {"REPO": "registry.example.com/NAME", "TAG": "f" * 64, "DIGEST": ""}


def test_skaffold_builds_both_images_and_sets_them_in_the_chart(chart: Any) -> None:
    document = yaml.safe_load((ROOT / "skaffold.yaml").read_text("utf-8"))
    artifacts = {item["image"]: item["docker"] for item in document["build"]["artifacts"]}
    assert all((ROOT / docker["dockerfile"]).is_file() for docker in artifacts.values())
    (release,) = document["deploy"]["helm"]["releases"]
    assert ROOT / release["chartPath"] == chart.path
    variables = {
        f"{{{{.IMAGE_{what}_{name.replace('-', '_')}}}}}": built.replace("NAME", name)
        for name in artifacts
        for what, built in BUILT.items()
    }
    templates = release["setValueTemplates"]
    flags = [f"--set={value}={variables[template]}" for value, template in templates.items()]
    rendered = chart.render({}, *flags)
    operator = rendered.pod["spec"]["containers"][0]["image"]
    assert operator == f"registry.example.com/isheep-operator:{BUILT['TAG']}"
    assert f"registry.example.com/isheep-worker:{BUILT['TAG']}" in rendered.config
    for profile in document["profiles"]:
        (patch,) = profile["patches"]
        assert patch["path"] == "/build/artifacts/1/docker/buildArgs/DEVICE"
        assert list(artifacts)[1] == "isheep-worker"
