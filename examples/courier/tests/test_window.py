import time

from courier.window import RollingCount


def test_what_is_too_old_is_not_counted():
    window = RollingCount(2.0)
    window.add()
    time.sleep(1.2)
    window.add()
    window.add()
    assert window.count() == 3

    time.sleep(1.2)
    assert window.count() == 2

    time.sleep(1.2)
    assert window.count() == 0


def test_the_rate_is_a_mean_over_the_window():
    window = RollingCount(2.0)
    for _ in range(8):
        window.add()
        time.sleep(0.1)

    assert window.per_second() == 4.0
