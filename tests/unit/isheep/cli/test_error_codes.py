import errno

import pytest

from isheep.cli.error_codes import message_and_code
from isheep.cli.terminal.errors import BadInputError
from isheep.local.lock import RunBusyError
from isheep.store.interface import (
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnreachableError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInputError("x"), 64),
        (RunBusyError("x"), 64),
        (StoreConditionError("x"), 64),
        (StoreUnreachableError("x"), 69),
        (StoreRefusedError("x"), 64),
        (StoreFullError("x"), 74),
        (StoreCorruptError("x"), 74),
        (StoreError("x"), 74),
        (OSError(errno.ENOSPC, "No space left on device"), 74),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 64),
        (KeyboardInterrupt(), 143),
        (ZeroDivisionError("x"), 70),
    ],
)
def test_every_error_has_a_message_and_a_code(error, code):
    message, found = message_and_code(error)
    assert (bool(message), found) == (True, code)


def test_the_message_of_an_os_error_names_the_file():
    assert message_and_code(OSError(errno.ENOSPC, "No space left", "/x"))[0] == "/x: No space left"
