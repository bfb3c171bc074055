"""Where everything is kept: by URLs, with typed errors, and a bell."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time

import pytest

from simclock.systems.runners.bells import Bell
from simclock.systems.runners.failures import ConfigError, StateBackendError
from simclock.systems.runners.storage import open_storage

pytestmark = pytest.mark.simclock


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_what_was_written_is_there_for_who_opens_it_again(open_kind, kind):
    one, other = open_kind(kind), open_kind(kind)
    one.invocations.create("key", "new", 1, at=1)
    one.queue.push("job", 1)

    assert other.invocations.get("key").value == 1
    assert other.queue.claim("me", now=1, until=2).key == "job"
    assert other.slots.count() == 0
    assert not one.is_shared_memory


def test_applications_with_prefixes_of_their_own_can_have_one_place(tmp_path):
    url = f"sqlite:///{tmp_path}/db"
    with contextlib.closing(open_storage(url, "x")) as one:
        one.invocations.create("key", "new", 1, at=1)
        with contextlib.closing(open_storage(url, "y")) as other:
            assert other.invocations.count() == 0


def test_memory_has_places_by_name():
    new = open_storage("memory://")
    named = open_storage("memory://test_storage")

    assert new is not open_storage("memory://")
    assert named is open_storage("memory://test_storage")
    assert named is not open_storage("memory://test_storage", "other")
    assert named.is_shared_memory


def test_one_that_is_shared_is_opened_again_when_it_is_unpickled(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/db", "x")
    storage.runners.create("key", "new", 1, at=1)

    copy = pickle.loads(pickle.dumps(storage))
    assert copy.runners.get("key").value == 1
    for each in (storage, copy):
        each.close()


def test_one_in_memory_cannot_leave_its_process():
    with pytest.raises(TypeError, match="a storage in memory cannot leave its process: memory://"):
        pickle.dumps(open_storage("memory://"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "http://a",
        "sqlite://",
        "sqlite:///",
        "redis://",
        "served://",
        "served://a",
        None,
    ],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError):
        open_storage(url)


def test_a_password_is_not_shown():
    with pytest.raises(ConfigError) as caught:
        open_storage("redis://me:secret@host:port/0")

    assert "secret" not in str(caught.value)
    shown = repr(open_storage("redis://me:secret@host:1/0"))
    assert shown == "Storage('redis://me:***@host:1/0', prefix='pynenc')"


def test_a_storage_that_cannot_be_used_raises_a_typed_error(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/missing/db")

    with pytest.raises(StateBackendError, match="cannot be used"):
        storage.invocations.get("key")
    with pytest.raises(StateBackendError):
        storage.queue.claim("me", now=1, until=2)


def test_all_but_the_leases_is_cleared():
    storage = open_storage("memory://")
    for records in (storage.invocations, storage.slots, storage.runners, storage.leases):
        records.create("key", "new", 1, at=1)
    storage.queue.push("job", 1)

    storage.clear()

    assert storage.invocations.count() == storage.slots.count() == storage.runners.count() == 0
    assert sum(storage.queue.counts(1)) == 0
    assert storage.leases.count() == 1


def test_a_bell_wakes_all_who_wait(note):
    bell = Bell()

    def wait(name):
        bell.wait(60)
        note(name)

    threads = [threading.Thread(target=wait, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    time.sleep(1)
    bell.ring()
    for thread in threads:
        thread.join()

    assert sorted(note.log) == [(1, "a"), (1, "b")]


def test_a_bell_that_was_rung_since_the_last_look_does_not_wait(note):
    bell = Bell()
    bell.ring()

    bell.wait(60)
    note("was rung")
    bell.wait(60)
    note("was not")

    assert note.log == [(0, "was rung"), (60, "was not")]


def test_subscribers_of_a_bell_are_called():
    bell, calls = Bell(), []

    def call():
        calls.append("rung")

    bell.subscribe(call)
    bell.subscribe(call)
    bell.ring()
    bell.unsubscribe(call)
    bell.unsubscribe(call)
    bell.ring()

    assert calls == ["rung"]
