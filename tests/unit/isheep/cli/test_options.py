import pytest

from isheep.cli.errors import BadInputError
from isheep.cli.options import config_maps, mirrors


def test_mirrors_come_from_the_environment_and_the_option_which_goes_first(tmp_path):
    (tmp_path / "b").mkdir()
    environment = {"ISHEEP_MIRRORS": f"hf://x/y={tmp_path}, hf://p/q={tmp_path},"}
    found = mirrors([f"hf://x/y={tmp_path / 'b'}"], environment)
    assert found == {"hf://x/y": str(tmp_path / "b"), "hf://p/q": str(tmp_path)}


def test_folders_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    assert config_maps(["mine=maps"]) == {"mine": str(tmp_path / "maps")}


@pytest.mark.parametrize("text", ["x", "=y", "x=", ""])
def test_what_is_no_pair_is_refused(text):
    with pytest.raises(BadInputError, match="write it as NAME=DIR"):
        config_maps([text])


def test_the_variable_is_named_where_it_is_wrong():
    with pytest.raises(BadInputError, match="ISHEEP_MIRRORS hf://a/b: there is no folder /none"):
        mirrors([], {"ISHEEP_MIRRORS": "hf://a/b=/none"})
