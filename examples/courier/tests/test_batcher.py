import logging
import time
import unittest

import pytest

from courier.batcher import Batcher


class Table:
    def __init__(self):
        self.batches = []
        self.times = []
        self.broken = False

    def write(self, batch):
        if self.broken:
            raise OSError("disk full")
        self.batches.append(list(batch))
        self.times.append(time.monotonic())


class BatcherTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.table = Table()
        cls.batcher = Batcher(cls.table.write, size=3, age=2.0)

    @classmethod
    def tearDownClass(cls):
        cls.batcher.close()

    def setUp(self):
        self.table.batches.clear()
        self.table.times.clear()

    def test_a_full_batch_is_written_at_once(self):
        for item in "abc":
            self.batcher.add(item)
        time.sleep(1.2)

        self.assertEqual(self.table.batches, [["a", "b", "c"]])

    def test_a_batch_that_is_not_full_is_written_when_it_is_old(self):
        began = time.monotonic()
        self.batcher.add("a")
        time.sleep(0.4)
        self.batcher.add("b")
        self.assertEqual(self.table.batches, [])
        time.sleep(2.6)

        self.assertEqual(self.table.batches, [["a", "b"]])
        self.assertTrue(1.95 <= self.table.times[0] - began < 4.6)

    def test_many_items_become_full_batches_and_a_rest(self):
        for item in range(8):
            self.batcher.add(item)
        time.sleep(3.2)

        self.assertEqual(self.table.batches, [[0, 1, 2], [3, 4, 5], [6, 7]])


def test_closing_writes_what_is_left(watch):
    table = Table()
    with Batcher(table.write, size=100, age=60) as batcher:
        batcher.add("a")
        time.sleep(0.3)
        batcher.add("b")

    assert table.batches == [["a", "b"]]
    assert watch.seconds < 3.5
    with pytest.raises(RuntimeError, match="closed"):
        batcher.add("c")


def test_a_write_that_fails_does_not_end_the_thread(caplog):
    table = Table()
    with caplog.at_level(logging.ERROR), Batcher(table.write, size=2, age=0.5) as batcher:
        table.broken = True
        batcher.add("lost")
        time.sleep(2.0)
        table.broken = False
        batcher.add("written")
        time.sleep(2.0)

    assert table.batches == [["written"]]
    assert batcher.lost == 1
    assert [record.message for record in caplog.records] == ["a batch of 1 is lost"]
