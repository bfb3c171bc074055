from __future__ import annotations

import _random
import os
import random
import secrets
import tempfile
import threading
import uuid

import pytest

from simclock import Simulation, run
from simclock._boundary import entropy

SOURCES = {
    "random": random.random,
    "randrange": lambda: random.randrange(10**9),
    "shuffle": lambda: random.sample(range(100), 100),
    "Random()": lambda: random.Random().random(),
    "Random(None)": lambda: random.Random(None).random(),
    "Random().seed()": lambda: _reseeded(random.Random(1)),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "uuid4": uuid.uuid4,
    "seed()": lambda: _reseeded(random),
    "urandom": lambda: os.urandom(16),
    "token_hex": secrets.token_hex,
    "randbelow": lambda: secrets.randbelow(10**9),
}


def _reseeded(generator):
    generator.seed()
    return generator.random()


@pytest.mark.parametrize("source", SOURCES)
def test_randomness_is_the_same_for_one_seed_and_differs_between_seeds(source):
    def draw():
        return [SOURCES[source]() for _ in range(3)]

    drawn = [run(draw, seed=seed) for seed in (0, 0, 1, 2**70, -1, 0)]

    assert drawn[0] == drawn[1] == drawn[5]
    assert len({str(numbers) for numbers in drawn}) == 4
    assert len({str(number) for numbers in drawn[2:5] for number in numbers}) == 9


@pytest.mark.parametrize("source", SOURCES)
def test_randomness_does_not_depend_on_the_state_before(source):
    random.seed(1)
    first = run(SOURCES[source])
    random.seed(2)
    second = run(SOURCES[source])

    assert first == second


def test_purposes_do_not_disturb_each_other():
    def draw(*extras):
        for extra in extras:
            extra()
        return random.random()

    assert run(draw) == run(draw, uuid.uuid4, lambda: random.Random().random(), secrets.token_hex)


def test_threads_draw_in_the_order_of_the_schedule():
    def draw():
        drawn = []
        threads = [threading.Thread(target=lambda: drawn.append(random.random())) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return drawn

    assert run(draw, seed=7) == run(draw, seed=7) != run(draw, seed=8)


def test_the_global_random_state_is_put_back():
    random.seed(5)
    before = random.getstate()
    with Simulation():
        random.random()
        with Simulation():
            random.seed(9)
        random.gauss(0, 1)

    assert random.getstate() == before


def test_an_inner_simulation_does_not_disturb_the_outer_one():
    def draw(*, nested):
        first = random.random(), uuid.uuid4(), random.Random().random()
        if nested:
            run(uuid.uuid4, seed=99)
            run(random.random, seed=99)
        return *first, random.random(), uuid.uuid4(), random.Random().random()

    assert run(lambda: draw(nested=True)) == run(lambda: draw(nested=False))


def test_a_seed_given_by_the_program_is_kept():
    random.seed(42)
    expected = [random.random(), random.Random(7).random(), random.Random("text").random()]

    def draw():
        random.seed(42)
        return [random.random(), random.Random(7).random(), random.Random("text").random()]

    assert run(draw) == expected


def _as_seeded(generator):
    generator.seed(42)


def _as_set(generator):
    generator.setstate(random.Random(42).getstate())


@pytest.mark.parametrize("choose", [_as_seeded, _as_set])
def test_a_global_generator_that_the_program_seeded_is_not_seeded_again(choose):
    def draw():
        choose(random)
        entropy.reseed(5)
        return random.random(), uuid.uuid4()

    def draw_streams_only():
        entropy.reseed(5)
        return uuid.uuid4()

    assert run(draw) == (random.Random(42).random(), run(draw_streams_only))


@pytest.mark.parametrize(
    "touch",
    [
        random.seed,
        lambda: random.seed(None),
        lambda: random.Random(3).seed(4),
        lambda: run(random.seed, 9),
        lambda: run(int),
    ],
)
def test_one_that_it_did_not_is_seeded_again(touch):
    def draw():
        touch()
        entropy.reseed(5)
        return random.random()

    assert run(draw, seed=1) == run(random.random, seed=5)


@pytest.mark.parametrize("args", [(), (-1,), ("x",), (1.5,), (1, 2), (None,)], ids=repr)
def test_wrong_arguments_of_urandom_give_the_errors_of_the_original(args, outcome):
    original = outcome(os.urandom, *args)

    with Simulation():
        simulated = outcome(os.urandom, *args)

    assert original[0] != "returned"
    assert simulated == original


class Three:
    def __index__(self):
        return 3


@pytest.mark.parametrize(
    ("size", "length"), [(0, 0), (1, 1), (1000, 1000), (True, 1), (Three(), 3)]
)
def test_urandom_returns_as_many_bytes_as_asked(size, length):
    drawn = run(os.urandom, size)

    assert type(drawn) is bytes
    assert len(drawn) == length
    assert drawn == run(os.urandom, size)


@pytest.mark.parametrize("args", [([],), ({},), (1, 2, 3)], ids=repr)
def test_wrong_seeds_give_the_errors_of_the_original(args, outcome):
    original = outcome(random.Random, *args)

    with Simulation():
        simulated = outcome(random.Random, *args)

    assert original[0] is TypeError
    assert simulated == original


def test_randomness_is_real_outside_and_in_foreign_threads():
    drawn = []
    go = threading.Event()

    def foreign():
        go.wait(60)
        drawn.append((os.urandom(16), random.Random().random(), uuid.uuid4()))

    for _ in range(2):
        go.clear()
        thread = threading.Thread(target=foreign)
        thread.start()
        with Simulation() as sim:
            drawn.append((os.urandom(16), random.Random().random(), uuid.uuid4()))
            go.set()
            with sim.real_time():
                thread.join(60)

    inside, outside = drawn[0::2], drawn[1::2]
    assert inside[0] == inside[1]
    assert len(set(outside) | set(inside)) == 3


def test_names_of_temporary_files_stay_real(tmp_path, monkeypatch):
    """Two processes with one seed must not meet in the same file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def names():
        monkeypatch.setattr(tempfile, "_name_sequence", None)
        with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryDirectory() as directory:
            return file.name, directory, tempfile.mktemp()

    found = [name for _ in range(2) for name in run(names)]

    assert len(set(found)) == 6


def test_temporary_files_do_not_move_the_randomness_of_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def draw(*, files):
        if files:
            monkeypatch.setattr(tempfile, "_name_sequence", None)
            with tempfile.TemporaryFile(), tempfile.TemporaryDirectory():
                pass
        return random.random(), random.Random().random(), uuid.uuid4()

    assert run(lambda: draw(files=True)) == run(lambda: draw(files=False))


def test_the_state_of_a_users_own_generator_is_theirs():
    own = random.Random(5)
    state = own.getstate()

    with Simulation():
        own.random()
        own.setstate(state)
        assert own.random() == random.Random(5).random()


def test_generators_that_no_seed_reaches_differ_from_run_to_run():
    """Those that were made before, and what `random` is made of."""
    before = random.Random()

    def draw():
        return before.random(), _random.Random().random(), random.Random().random()

    (own, raw, seeded), (own_again, raw_again, seeded_again) = run(draw), run(draw)

    assert own != own_again
    assert raw != raw_again
    assert seeded == seeded_again


def test_the_order_of_a_set_of_strings_is_that_of_the_hash_seed(child):
    program = """
        import simclock
        print(*simclock.run(lambda: {f"item-{number}" for number in range(20)}), sep="\\n")
    """
    first, again, other = (child(program, PYTHONHASHSEED=seed) for seed in "112")

    assert first == again != other
    assert sorted(first) == sorted(other)
