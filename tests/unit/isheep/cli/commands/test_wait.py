import pytest

from isheep.cli.commands.wait import ENDED_OTHERWISE, exit_code_of
from isheep.contract.exit_codes import ExitCode
from isheep.local.conclusion import Conclusion

COMPLETE = Conclusion("Succeeded", ExitCode.DONE, "")
FAILED = Conclusion("Failed", ExitCode.DISK, "")


@pytest.mark.parametrize(
    ("conclusion", "awaited", "code"),
    [
        (COMPLETE, "Complete", 0),
        (FAILED, "Complete", 74),
        (FAILED, "Failed", 0),
        (COMPLETE, "Failed", ENDED_OTHERWISE),
    ],
)
def test_the_exit_code_tells_how_the_run_has_ended(conclusion, awaited, code):
    assert exit_code_of(conclusion, awaited) == code


def test_a_wrong_time_limit_is_bad_input(shell):
    result = shell("wait", "lamb", "-n", "team-a", "--timeout", "2")
    assert result.exit_code == 64
    assert "--timeout '2'" in result.stderr
