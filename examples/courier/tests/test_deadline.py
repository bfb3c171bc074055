import time

import pytest

from courier.deadline import Deadline, DeadlineExceeded

pytestmark = pytest.mark.smoke


def test_what_remains_gets_less_down_to_zero():
    deadline = Deadline.after(10.0)
    assert 5.0 < deadline.remaining() <= 10.0

    time.sleep(1.0)
    assert 4.0 < deadline.remaining() <= 9.01

    assert Deadline.after(-1.0).remaining() == 0.0


def test_a_check_passes_until_it_is_too_late():
    deadline = Deadline.after(2.0)
    deadline.check("on time")

    time.sleep(2.1)

    with pytest.raises(DeadlineExceeded, match="out of time: writing the report"):
        deadline.check("writing the report")


def test_a_sleep_is_cut_short(watch):
    with pytest.raises(DeadlineExceeded):
        Deadline.after(0.8).sleep(60)

    assert 0.75 <= watch.seconds < 5.0
