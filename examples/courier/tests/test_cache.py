import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import pytest

from courier.cache import TTLCache


class Database:
    def __init__(self, latency=0.0):
        self.latency = latency
        self.asked = []

    def __call__(self, key):
        time.sleep(self.latency)
        self.asked.append(key)
        if key == "broken":
            raise LookupError("no such table")
        return f"{key}-{self.asked.count(key)}"


@pytest.fixture
def database():
    return Database()


@pytest.fixture(params=[1.0, 2.0], ids=["ttl-1", "ttl-2"])
def ttl(request):
    return request.param


def test_a_value_is_remembered_for_its_time_to_live(database, ttl):
    cache = TTLCache(database, ttl)
    assert cache.get("a") == "a-1"

    time.sleep(ttl - 0.6)
    assert cache.get("a") == "a-1"

    time.sleep(0.8)
    assert cache.get("a") == "a-2"


def test_each_key_has_its_own_time_to_live(database):
    cache = TTLCache(database, 2.0)
    cache.get("a")
    time.sleep(1.2)
    cache.get("b")
    time.sleep(1.2)

    assert cache.get("a") == "a-2"
    assert cache.get("b") == "b-1"


def test_asking_does_not_prolong(database, watch):
    cache = TTLCache(database, 1.5)
    while cache.get("a") == "a-1":
        time.sleep(0.1)

    assert 1.45 <= watch.seconds < 4.3


def test_many_threads_one_load(watch):
    database = Database(latency=1.5)
    cache = TTLCache(database, 60)

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(cache.get, ["a"] * 10)) == {"a-1"}

    assert database.asked == ["a"]
    assert 1.45 <= watch.seconds < 4.3


def test_different_keys_load_side_by_side(watch):
    cache = TTLCache(Database(latency=1.5), 60)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(cache.get, "abcdef"))

    assert 1.45 <= watch.seconds < 4.3


def test_an_error_reaches_all_who_wait_and_is_not_remembered():
    database = Database(latency=1.0)
    cache = TTLCache(database, 60)

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(cache.get, "broken") for _ in range(3)]
    assert [type(future.exception()) for future in futures] == [LookupError] * 3

    with pytest.raises(LookupError):
        cache.get("broken")
    assert database.asked == ["broken"] * 2


def test_one_may_wait_less_long_than_loading_takes(watch):
    cache = TTLCache(Database(latency=4.0), 60)
    loader = threading.Thread(target=cache.get, args=("a",))
    loader.start()
    time.sleep(0.2)

    with pytest.raises(FutureTimeoutError):
        cache.get("a", timeout=0.5)

    assert 0.65 <= watch.seconds < 3.5
    loader.join()
    assert cache.get("a") == "a-1"


def test_what_is_forgotten_is_loaded_anew(database):
    cache = TTLCache(database, 60)
    cache.get("a")
    cache.forget("a")

    assert cache.get("a") == "a-2"


def test_a_purge_drops_what_is_too_old(database):
    cache = TTLCache(database, 2.0)
    cache.get("a")
    cache.get("b")
    time.sleep(1.2)
    cache.get("c")
    time.sleep(1.0)

    assert cache.purge() == 2
    assert len(cache) == 1
