from pathlib import Path

import pytest

from isheep.cli.arguments.outputs import is_folder, output_file


@pytest.mark.parametrize(
    ("output", "file"),
    [
        ("-", None),
        (".", "name.txt"),
        ("folder", "folder/name.txt"),
        ("folder/", "folder/name.txt"),
        ("new/", "new/name.txt"),
        ("new", "new"),
        ("new/file", "new/file"),
    ],
)
def test_an_output_is_stdout_a_folder_or_a_file(tmp_path, monkeypatch, output, file):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    assert output_file(output, "name.txt") == (None if file is None else Path(file))
    assert is_folder(output) == (file is not None and file.endswith("name.txt"))
