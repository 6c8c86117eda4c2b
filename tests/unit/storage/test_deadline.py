from __future__ import annotations

import threading

import pytest

from flagctl.errors import RemoteError
from flagctl.storage.deadline import MAX_ABANDONED, Deadline


def test_results_and_errors_come_through():
    deadline = Deadline(10, "the store")
    assert deadline.run(lambda: 7) == 7
    with pytest.raises(KeyError):
        deadline.run(lambda: {}["missing"])


def test_an_operation_that_takes_too_long_is_left_behind():
    deadline = Deadline(0.05, "the store")
    end = threading.Event()
    with pytest.raises(RemoteError, match=r"the store did not answer within 0\.05 seconds"):
        deadline.run(lambda: end.wait(20))
    end.set()
    deadline._seconds = 30  # the machine may be busy
    assert deadline.run(lambda: "next") == "next"


def test_an_operation_can_be_cut_short_by_another_thread():
    deadline = Deadline(60, "the store")
    end, begun = threading.Event(), threading.Event()

    def cut() -> None:
        begun.wait(20)
        deadline.cut_short()

    other = threading.Thread(target=cut)
    other.start()
    with pytest.raises(RemoteError, match="the store did not answer within"):
        deadline.run(lambda: begun.set() or end.wait(20))
    end.set()
    other.join()
    assert deadline.run(lambda: "next") == "next"


def test_operations_that_never_end_do_not_pile_up_and_are_forgotten_when_they_do():
    deadline = Deadline(0.01, "the store")
    end = threading.Event()
    for _ in range(MAX_ABANDONED):
        with pytest.raises(RemoteError, match="within"):
            deadline.run(lambda: end.wait(20))
    with pytest.raises(RemoteError, match="without an end"):
        deadline.run(lambda: "refused")
    left = [thread for thread in threading.enumerate() if thread.name == "flagctl-remote"]
    end.set()
    for thread in left:
        thread.join()
    deadline._seconds = 30
    assert deadline.run(lambda: "again") == "again"
