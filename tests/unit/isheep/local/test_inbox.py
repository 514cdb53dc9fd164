"""The driver's inbox: its order, and what ends a wait for a worker's answer."""

from queue import Empty

import pytest

from isheep.local.inbox import Inbox, RoomAnswer, StopRequested

A, B = object(), object()


def filled(*messages, clock=lambda: 0.0):
    inbox = Inbox(clock)
    for message in messages:
        inbox.put(message)
    return inbox


def rest(inbox):
    messages = []
    while True:
        try:
            messages.append(inbox.get(timeout=0))
        except Empty:
            return messages


@pytest.mark.parametrize("keeps", [True, False])
def test_an_answer_is_found_between_other_messages_which_keep_their_order(keeps):
    inbox = filled("one", RoomAnswer(B, True), "two", RoomAnswer(A, keeps), "three")
    assert inbox.room_answer(A, 1e6) is keeps
    assert rest(inbox) == ["one", "two", "three"]


def test_a_stop_ends_the_wait_and_every_later_one_and_stays_in_the_inbox():
    inbox = filled("one", StopRequested(), RoomAnswer(A, True), "two")
    assert not inbox.has_stop
    assert not inbox.room_answer(A, 1e6)
    assert inbox.has_stop
    assert not inbox.room_answer(A, 1e6)
    assert rest(inbox) == ["one", StopRequested(), "two"]
    assert not inbox.has_stop


def test_the_wait_has_a_limit_that_other_messages_do_not_move():
    times = iter(range(100))
    inbox = filled(*"abcdef", RoomAnswer(A, True), clock=lambda: float(next(times)))
    assert not inbox.room_answer(A, 3)
    assert rest(inbox) == list("abcdef")


def test_an_answer_that_nobody_waits_for_is_not_a_message():
    inbox = filled(RoomAnswer(A, True), "one")
    assert inbox.get(timeout=0) == "one"
    with pytest.raises(Empty):
        inbox.get(timeout=0)
