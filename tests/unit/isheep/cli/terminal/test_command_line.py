import shlex

from isheep.cli.terminal.command_line import command_line, this_command_line


def test_a_command_can_be_pasted(tmp_path, monkeypatch):
    program = tmp_path / "my env" / "isheep"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [str(program), "run", "it's a run.yaml"])

    # The program is not the one in PATH, so its path is necessary.
    assert shlex.split(command_line("status", "a b.yaml")) == [str(program), "status", "a b.yaml"]
    assert shlex.split(this_command_line()) == [str(program), "run", "it's a run.yaml"]

    monkeypatch.setenv("PATH", str(program.parent))
    assert command_line("run", "run.yaml") == "isheep run run.yaml"
