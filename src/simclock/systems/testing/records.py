"""What `Records` promises, as tests."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from simclock.systems._shared.codecs import NotSerialisable
from simclock.systems._shared.stores.interfaces import Records, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Of what a store that works needs a few: one that does not is not to hang.
TRIES = 1000


class RecordsContract:
    """Tests that every store of records passes.

    To be subclassed in a test module, with a fixture that says how the store
    is opened::

        class TestFileRecords(RecordsContract):
            @pytest.fixture
            def open_records(self, tmp_path):
                return lambda: FileRecords(tmp_path / "records")

    Attributes:
        keeps_objects: Whether any object is a value, as in memory; if not,
            what the codec cannot take has to be refused.
    """

    keeps_objects: bool = False

    @pytest.fixture
    def open_records(self) -> Callable[[], Records]:
        """Return a function that opens the records of one test, as another process would."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how its records are opened\n"
            "override the fixture `open_records`: it returns a function that opens them"
        )

    @pytest.fixture
    def records(self, open_records: Callable[[], Records]) -> Iterator[Records]:
        """Return the records of one test; they are closed at its end."""
        with contextlib.closing(open_records()) as records:
            yield records

    def test_a_record_is_read_as_it_was_written(self, records: Records) -> None:
        assert records.get("a") is None
        assert records.create("a", "new", {"x": (1, b"2")}, at=1, expires=5.5)

        assert records.get("a") == StoredRecord(1, "new", {"x": (1, b"2")}, 5.5)

    def test_one_that_is_there_is_not_written_anew(self, records: Records) -> None:
        records.create("a", "new", 1, at=1)

        assert not records.create("a", "newer", 2, at=2, expires=9)
        assert records.get("a") == StoredRecord(1, "new", 1, None)

    def test_a_swap_overwrites_the_version_that_was_read(self, records: Records) -> None:
        records.create("a", "new", 1, at=1, expires=5)

        assert records.swap("a", 1, "done", 2)
        assert records.get("a") == StoredRecord(2, "done", 2, None)
        assert records.swap("a", 2, "done", 3, expires=7)
        assert records.get("a") == StoredRecord(3, "done", 3, 7)

    def test_a_swap_of_another_version_changes_nothing(self, records: Records) -> None:
        records.create("a", "new", 1, at=1)
        records.swap("a", 1, "busy", 2)

        for version in (0, 1, 3):
            assert not records.swap("a", version, "done", 3)
        assert not records.swap("b", 1, "done", 3)
        assert records.get("a") == StoredRecord(2, "busy", 2, None)
        assert records.get("b") is None

    def test_a_record_can_be_removed(self, records: Records) -> None:
        records.create("a", "new", 1, at=1, expires=2)

        assert records.delete("a")
        assert not records.delete("a")
        assert records.get("a") is None
        assert records.with_status("new") == []
        assert records.count() == 0
        assert records.purge(99) == 0

    def test_a_key_may_come_again_once_it_is_gone(self, records: Records) -> None:
        records.create("a", "new", 1, at=1)
        records.swap("a", 1, "new", 2)
        records.delete("a")

        assert records.create("a", "other", 3, at=2)
        assert records.get("a") == StoredRecord(1, "other", 3, None)

    def test_those_of_a_status_latest_first(self, records: Records) -> None:
        for key, at in [("a", 2), ("b", 3.5), ("c", 1), ("d", 3.25)]:
            records.create(key, "new", key, at=at)
        records.create("e", "other", None, at=9)

        found = records.with_status("new")
        assert found == [(key, StoredRecord(1, "new", key, None)) for key in "bdac"]
        assert records.with_status("nothing") == []

    def test_of_equal_instants_the_one_that_was_written_last_is_first(
        self, records: Records
    ) -> None:
        names = [f"key {(number * 7919) % 100}" for number in range(100)]
        for key in names:
            records.create(key, "new", None, at=1)

        assert keys(records.with_status("new")) == names[::-1]

    def test_a_swap_changes_the_status_and_keeps_the_place(self, records: Records) -> None:
        for key in "abc":
            records.create(key, "new", None, at=1)
        records.swap("b", 1, "done", None)
        assert keys(records.with_status("new")) == ["c", "a"]
        assert keys(records.with_status("done")) == ["b"]

        records.swap("b", 2, "new", None)
        assert keys(records.with_status("new")) == ["c", "b", "a"]
        assert records.with_status("done") == []

    def test_pages_of_a_status(self, records: Records) -> None:
        for number in range(10):
            records.create(str(number), "new", None, at=number)

        assert keys(records.with_status("new", limit=3)) == ["9", "8", "7"]
        assert keys(records.with_status("new", limit=3, offset=8)) == ["1", "0"]
        assert keys(records.with_status("new", offset=7)) == ["2", "1", "0"]
        assert records.with_status("new", limit=0) == []
        assert records.with_status("new", offset=10) == []
        assert records.with_status("new", limit=5, offset=99) == []

    @pytest.mark.parametrize("page", [{"limit": -1}, {"offset": -1}])
    def test_pages_that_have_no_meaning_are_refused(
        self, records: Records, page: dict[str, int]
    ) -> None:
        with pytest.raises(ValueError, match="a negative number of records"):
            records.with_status("new", **page)

    def test_records_that_have_expired_are_removed_when_asked_for(self, records: Records) -> None:
        for key, expires in [("a", 10), ("b", 10.5), ("c", None), ("d", 20)]:
            records.create(key, "new", None, at=1, expires=expires)

        assert records.purge(9.999) == 0
        assert read(records, "a").expires == 10
        assert records.purge(10.5) == 2
        assert keys(records.with_status("new")) == ["d", "c"]
        assert records.purge(10.5) == 0
        assert records.purge(1e12) == 1
        assert records.count() == 1

    def test_1970_is_an_instant_like_any(self, records: Records) -> None:
        records.create("a", "new", None, at=0, expires=0)
        records.create("b", "new", None, at=-1)

        assert keys(records.with_status("new")) == ["a", "b"]
        assert records.purge(-1) == 0
        assert records.purge(0) == 1

    def test_a_swap_sets_anew_when_a_record_expires(self, records: Records) -> None:
        for key in "ab":
            records.create(key, "new", None, at=1, expires=10)
        records.swap("a", 1, "new", None)
        records.swap("b", 1, "new", None, expires=20)

        assert records.purge(10) == 0
        assert records.purge(20) == 1
        assert records.get("a") is not None

    def test_all_are_counted_and_can_be_removed(self, records: Records) -> None:
        for number, status in enumerate(["new", "done", "new"]):
            records.create(str(number), status, None, at=1, expires=5)

        assert records.count() == 3
        assert records.clear() == 3
        assert records.clear() == 0
        assert records.count() == 0
        assert records.with_status("new") == records.with_status("done") == []
        assert records.purge(9) == 0
        assert records.get("0") is None

    def test_nothing_is_lost_with_close_and_all_can_be_used_again(self, records: Records) -> None:
        records.create("a", "new", 1, at=1)
        records.close()
        records.close()

        assert records.get("a") == StoredRecord(1, "new", 1, None)

    @pytest.mark.parametrize("text", ["", "a:b", "ä😀", "{x}", "a b\n", "x" * 1000, "\0", "*"])
    def test_any_text_is_a_key_and_a_status(self, records: Records, text: str) -> None:
        records.create(text, text, text, at=1)
        records.create("other", "other", None, at=1)

        assert records.with_status(text) == [(text, StoredRecord(1, text, text, None))]
        assert records.swap(text, 1, text, None)
        assert read(records, text).version == 2
        assert records.delete(text)
        assert records.count() == 1

    def test_a_text_of_a_class_of_its_own_is_a_key_like_any(self, records: Records) -> None:
        records.create(Name("a"), Name("new"), 1, at=1)
        assert records.get("a") == records.get(Name("a")) == StoredRecord(1, "new", 1, None)
        assert records.swap(Name("a"), 1, Name("done"), 2)
        assert keys(records.with_status("done")) == ["a"]
        assert records.delete(Name("a"))

    @pytest.mark.parametrize("instant", [math.nan, math.inf, "1"])
    def test_what_is_no_instant_is_refused(self, records: Records, instant: Any) -> None:
        calls: list[Callable[[], object]] = [
            lambda: records.create("a", "new", None, at=instant),
            lambda: records.create("a", "new", None, at=0, expires=instant),
            lambda: records.swap("a", 1, "new", None, expires=instant),
            lambda: records.purge(instant),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="is no instant: "):
                call()
        assert records.count() == 0

    def test_instants_are_exact(self, records: Records) -> None:
        instant = 1_795_344_000.123_456_7
        records.create("a", "new", None, at=instant, expires=instant)
        records.create("b", "new", None, at=instant + 1e-6)

        assert keys(records.with_status("new")) == ["b", "a"]
        assert read(records, "a").expires == instant
        assert records.purge(instant - 1e-6) == 0
        assert records.purge(instant) == 1

    def test_what_cannot_be_serialised_is_refused_and_not_written(self, records: Records) -> None:
        value = object()
        if self.keeps_objects:
            records.create("a", "new", value, at=1)
            assert read(records, "a").value is value
            return
        with pytest.raises(NotSerialisable, match="cannot be serialised: a builtins"):
            records.create("a", "new", value, at=1)
        records.create("a", "new", 1, at=1)
        with pytest.raises(NotSerialisable, match="cannot be serialised: a builtins"):
            records.swap("a", 1, "done", [value])
        assert records.get("a") == StoredRecord(1, "new", 1, None)

    def test_other_connections_see_the_same_records(
        self, open_records: Callable[[], Records]
    ) -> None:
        with contextlib.closing(open_records()) as one, contextlib.closing(open_records()) as other:
            one.create("a", "new", 1, at=1)

            assert other.swap("a", 1, "busy", 2)
            assert not one.swap("a", 1, "done", 3)
            assert one.get("a") == other.get("a") == StoredRecord(2, "busy", 2, None)
            assert keys(one.with_status("busy")) == ["a"]
            assert not other.create("a", "new", 1, at=1)

    def test_of_threads_that_swap_one_version_one_does(
        self, open_records: Callable[[], Records]
    ) -> None:
        """By two connections: each change is made once."""
        count, swaps = 4, 10
        with contextlib.closing(open_records()) as one, contextlib.closing(open_records()) as other:
            one.create("a", "new", 0, at=1)

            def work(records: Records) -> None:
                done = 0
                for _ in range(TRIES):
                    seen = read(records, "a")
                    done += records.swap("a", seen.version, "new", seen.value + 1)
                    if done == swaps:
                        return

            stores = [one, other] * (count // 2)
            threads = [threading.Thread(target=work, args=[each]) for each in stores]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

            assert one.get("a") == StoredRecord(1 + count * swaps, "new", count * swaps, None)


def read(records: Records, key: str) -> StoredRecord:
    """Return a record that has to be there."""
    record = records.get(key)
    assert record is not None
    return record


class Name(str):
    """A text of a class of its own."""

    __slots__ = ()


def keys(found: list[tuple[str, StoredRecord]]) -> list[str]:
    """Return the keys of what `Records.with_status` has found."""
    return [key for key, _ in found]
