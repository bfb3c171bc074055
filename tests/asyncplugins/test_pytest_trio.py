"""pytest-trio: its tests, fixtures and clocks."""

from __future__ import annotations


def test_tests_and_fixtures(suite, world):
    ran = suite(
        """
        import trio

        pytestmark = [*MARKS, pytest.mark.trio]

        @pytest.fixture
        async def value():
            await trio.sleep(soon(1))
            return 7

        @pytest.fixture
        async def resource(value):
            await trio.sleep(soon(10))
            yield value + 1
            await trio.sleep(soon(100))
            log("torn down")

        @pytest.fixture
        async def other():
            await trio.sleep(soon(5))
            log("side by side with resource")

        async def test_fixtures(resource, other):
            assert resource == 8
            await trio.sleep(soon(1000))
            log("fixtures")

        @pytest.mark.parametrize("seconds", [2, 3])
        async def test_parametrised(seconds, value):
            await trio.sleep(soon(seconds))
            log(f"parametrised {seconds}")

        class TestClass:
            async def test_method(self, value):
                log("method")

        async def test_nursery(nursery):
            async def serve(task_status=trio.TASK_STATUS_IGNORED):
                await trio.sleep(soon(30))
                task_status.started()
                log("started")
                await trio.sleep_forever()

            await nursery.start(serve)
            nursery.start_soon(serve)
            await trio.sleep(soon(40))
            log("the nursery is left")
        """,
        world=world,
    )

    assert ran.outcomes == {"passed": 5}
    ran.logged(
        world,
        [
            (5, "side by side with resource"),
            (1011, "fixtures"),
            (1111, "torn down"),
            (3, "parametrised 2"),
            (4, "parametrised 3"),
            (1, "method"),
            (30, "started"),
            (60, "started"),
            (70, "the nursery is left"),
        ],
    )


def test_trio_mode_takes_every_coroutine(suite, world):
    ran = suite(
        """
        import trio

        pytestmark = MARKS

        @pytest.fixture
        async def late():
            await trio.sleep(soon(100))

        async def test(late):
            await trio.sleep(soon(10))
            log("done")
        """,
        "-otrio_mode=true",
        world=world,
    )

    assert ran.outcomes == {"passed": 1}
    ran.logged(world, [(110, "done")])


def test_timeouts_and_threads(suite, world):
    ran = suite(
        """
        import trio

        pytestmark = [*MARKS, pytest.mark.trio]

        def work(seconds):
            time.sleep(soon(seconds))
            log(f"worked {seconds}")

        async def test_timeouts():
            with trio.move_on_after(soon(2.5)) as scope:
                await trio.sleep_forever()
            assert scope.cancelled_caught
            log("moved on")
            with pytest.raises(trio.TooSlowError):
                with trio.fail_after(soon(10)):
                    await trio.sleep(soon(3600))
            log("too slow")
            for _ in range(10):
                await trio.sleep(soon(0.1))
            log("tenths")

        async def test_threads():
            with trio.fail_after(soon(3600) + 10):
                async with trio.open_nursery() as nursery:
                    for seconds in (3, 1, 2):
                        nursery.start_soon(trio.to_thread.run_sync, work, seconds)
                await trio.to_thread.run_sync(lambda: trio.from_thread.run(trio.sleep, soon(20)))
            log("from a thread")

        async def test_a_timer_wakes_the_loop():
            token, event = trio.lowlevel.current_trio_token(), trio.Event()
            timer = threading.Timer(soon(60), token.run_sync_soon, [event.set])
            timer.start()
            with trio.fail_after(soon(3600) + 10):
                await event.wait()
            log("woken")
            timer.join()
        """,
        world=world,
    )

    assert ran.outcomes == {"passed": 3}
    ran.logged(
        world,
        [
            (2.5, "moved on"),
            (12.5, "too slow"),
            (13.5, "tenths"),
            (1, "worked 1"),
            (2, "worked 2"),
            (3, "worked 3"),
            (23, "from a thread"),
            (60, "woken"),
        ],
    )


# ---------------------------------------------------------------------------- its clocks


def test_autojump_clock_follows_the_virtual_clock(suite, simulated):
    ran = suite(
        """
        import trio

        pytestmark = [*MARKS, pytest.mark.trio]

        async def test_sleeps(autojump_clock):
            began = trio.current_time()
            for seconds in (3600, 0.5, 86400):
                await trio.sleep(seconds)
                log(f"slept {seconds}")
            assert trio.current_time() - began == 90000.5

        async def test_tasks(autojump_clock, nursery):
            async def sleep(seconds):
                await trio.sleep(seconds)
                log(f"task {seconds}")

            for seconds in (3, 1, 2):
                nursery.start_soon(sleep, seconds)
            with trio.move_on_after(2.5):
                await trio.sleep_forever()
            log("moved on")
            await trio.sleep(10)

        async def test_a_thread_is_waited_for(autojump_clock):
            with trio.fail_after(3600):
                await trio.to_thread.run_sync(time.sleep, 60)
            log("a thread has slept")

        async def test_blocked(autojump_clock, nursery):
            async def wait():
                await trio.testing.wait_all_tasks_blocked()
                log("blocked")

            nursery.start_soon(wait)
            await trio.sleep(5)
            log("slept")
        """,
        world=simulated,
    )

    assert ran.outcomes == {"passed": 4}
    assert ran.log == [
        (3600, "slept 3600"),
        (3600.5, "slept 0.5"),
        (90000.5, "slept 86400"),
        (1, "task 1"),
        (2, "task 2"),
        (2.5, "moved on"),
        (3, "task 3"),
        (60, "a thread has slept"),
        (0, "blocked"),
        (5, "slept"),
    ]


def test_autojump_clock_in_real_time_is_as_ever(suite):
    ran = suite(
        """
        import trio

        @pytest.mark.trio
        async def test(autojump_clock):
            await trio.sleep(3600)
            assert trio.current_time() == 3600
            log("jumped")
        """,
        world="real",
    )

    assert ran.outcomes == {"passed": 1}
    assert ran.log == [(None, "jumped")]


def test_mock_clock_jumps_by_hand(suite, world):
    ran = suite(
        """
        import trio

        pytestmark = [*MARKS, pytest.mark.trio]

        async def test(mock_clock, nursery):
            async def sleep():
                await trio.sleep(60)
                log("slept")

            nursery.start_soon(sleep)
            await trio.testing.wait_all_tasks_blocked()
            assert trio.current_time() == 0
            mock_clock.jump(59)
            await trio.testing.wait_all_tasks_blocked()
            log("not yet")
            mock_clock.jump(1)
            await trio.testing.wait_all_tasks_blocked()
            assert trio.current_time() == 60
        """,
        world=world,
    )

    assert ran.outcomes == {"passed": 1}
    assert [what for _, what in ran.log] == ["not yet", "slept"]


# ------------------------------------------------------------------ what the kernel finds


def test_a_deadlock_fails_its_test_and_no_other(suite, simulated):
    ran = suite(
        """
        import trio

        pytestmark = [*MARKS, pytest.mark.trio]

        @pytest.fixture
        async def never():
            await trio.Event().wait()

        async def test_waits():
            await trio.Event().wait()

        async def test_fixture(never):
            log("not reached")

        async def test_after():
            await trio.sleep(2)
            log("after")
        """,
        world=simulated,
    )

    assert ran.outcomes == {"passed": 1, "failed": 2}
    assert ran.log == [(2, "after")]
    ran.shows("*Deadlock: *deadlock: 1 thread can never run again, at virtual +* s*")


def test_a_deadlock_under_autojump_clock_is_found_too(suite, simulated):
    ran = suite(
        """
        import trio

        pytestmark = [*MARKS, pytest.mark.trio]

        async def test_waits(autojump_clock):
            await trio.sleep(3600)
            log("slept")
            await trio.Event().wait()
        """,
        world=simulated,
    )

    assert ran.outcomes == {"failed": 1}
    assert ran.log == [(3600, "slept")]
    ran.shows("*Deadlock: *deadlock: 1 thread can never run again, at virtual +3600 s*")
