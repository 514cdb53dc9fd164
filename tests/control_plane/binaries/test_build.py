"""The groups of programs, the effect of a new pin, and KUBEBUILDER_ASSETS."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module with a copy of the pins, an empty cache, and a build that creates empty files."""
    pins = tmp_path / "pins"
    shutil.copytree(HERE, pins, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    spec = importlib.util.spec_from_file_location("build_under_test", HERE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", pins)
    monkeypatch.setattr(module, "_build", lambda name, _, folder: (folder / name).touch())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("ISHEEP_TEST_KUBERNETES", raising=False)
    return module


def names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()} - {"lock"}


def test_a_group_is_one_folder_and_the_control_plane_is_the_default(build: ModuleType) -> None:
    control_plane = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert names(build.main([])) == control_plane | {"kubectl", "helm"}
    assert build.main([]) == build.main(["control-plane"])
    node = names(build.main(["node"]))
    assert node > names(build.main([]))
    assert {"kubelet", "kube-proxy", "containerd", "bridge", "host-local"} <= node


@pytest.mark.parametrize(
    "module",
    ["etcd", "kubernetes", "helm", "containerd", "cni", "syft", "kueue", "argocd", "prometheus"],
)
def test_a_new_pin_rebuilds_the_programs_of_its_module_only(build: ModuleType, module: str) -> None:
    groups = (build.GROUPS[name] for name in build.GROUPS)
    modules = {program.module for group in groups for program in group.values()}
    before = {name: build.module_folder(name) for name in modules}
    with (build.HERE / module / "go.sum").open("a") as pins:
        pins.write("example.com/new v1.0.0 h1:x=\n")
    changed = {name for name in modules if build.module_folder(name) != before[name]}
    assert changed == {module}


def test_another_version_of_kubernetes_replaces_its_programs_only(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = Path(build.main([]))
    monkeypatch.setenv("ISHEEP_TEST_KUBERNETES", "1.33")
    oldest = Path(build.main([]))
    assert names(str(oldest)) == names(str(newest))
    same = {name for name in names(str(newest)) if links_of(oldest, name) == links_of(newest, name)}
    assert same == {"etcd", "helm"}
    assert links_of(oldest, "kubectl").parent.name.startswith("kubernetes-1.33-")
    assert "gitVersion=v1.33." in build.linker_flags("kubernetes-1.33")


def links_of(folder: Path, name: str) -> Path:
    return (folder / name).readlink()


def test_a_version_of_kubernetes_without_pins_is_refused(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISHEEP_TEST_KUBERNETES", "1.20")
    with pytest.raises(SystemExit, match=r"set it to one of 1\.33"):
        build.main([])


def test_a_change_of_our_own_program_rebuilds_it(build: ModuleType) -> None:
    before = build.module_folder("argocd")
    with (build.HERE / "argocd" / "health" / "main.go").open("a") as source:
        source.write("// changed\n")
    assert build.module_folder("argocd") != before


def test_programs_of_the_assets_folder_replace_built_programs(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl", "helm"):
        (assets / name).touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    folder = Path(build.main([]))
    for name in ("etcd", "kube-apiserver", "kubectl"):
        assert (folder / name).resolve() == assets / name
    # Helm is not one of the programs that the assets folder can replace.
    for name in ("helm", "kube-scheduler"):
        assert not (folder / name).resolve().is_relative_to(assets)


def test_assets_without_an_api_server_are_refused(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etcd").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(SystemExit, match="does not contain kube-apiserver"):
        build.main([])


def test_an_unknown_group_is_refused(build: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build.main(["everything"])
    assert ended.value.code == 64
    assert "control-plane | node" in capsys.readouterr().err
