import pytest

from isheep.cli.arguments.options import config_maps, mirrors
from isheep.cli.terminal.errors import BadInputError


def test_a_mirror_of_the_option_replaces_the_one_of_the_environment(tmp_path):
    (tmp_path / "b").mkdir()
    environment = {"ISHEEP_MIRRORS": f"hf://x/y={tmp_path}, hf://p/q={tmp_path},"}
    found = mirrors([f"hf://x/y={tmp_path / 'b'}"], environment)
    assert found == {"hf://x/y": str(tmp_path / "b"), "hf://p/q": str(tmp_path)}


def test_the_folder_of_a_config_map_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    assert config_maps(["mine=maps"]) == {"mine": str(tmp_path / "maps")}


@pytest.mark.parametrize("text", ["x", "=y", "x=", ""])
def test_text_without_a_name_or_a_folder_is_refused(text):
    with pytest.raises(BadInputError, match="write it as NAME=DIR"):
        config_maps([text])


def test_the_message_about_a_wrong_variable_names_it():
    with pytest.raises(BadInputError, match="ISHEEP_MIRRORS hf://a/b: /none is not a folder"):
        mirrors([], {"ISHEEP_MIRRORS": "hf://a/b=/none"})
