"""Searches in parts, spread by pytest-xdist, killed and taken up again: one verdict."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from textwrap import dedent
from types import SimpleNamespace

import pytest

from simclock._explore.campaign import Made
from simclock._explore.tally import Tally
from simclock.predicates import Predicate

# Some of the schedules fail: few, so that it takes a while. A run notes itself, and dies if told to.
PROGRAM = """
import os, signal, threading, time, zlib
import pytest

def order(threads=3):
    with open("runs.log", "ab", 0) as log:
        log.write(b".")
    if os.path.exists("die") and os.path.getsize("runs.log") > int(open("die").read()):
        os.unlink("die")
        os.kill(os.getpid(), signal.SIGKILL)
    seen = []
    def work(number):
        for _ in range(3):
            time.sleep(0)
            seen.append(number)
    made = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for each in made:
        each.start()
    for each in made:
        each.join()
    return seen

def is_rare(seen):
    return zlib.crc32(bytes(seen)) % 100 == 0
"""
PASSES_AND_FAILS = """
@pytest.mark.simclock(runs=250, strategy="random", seed=8, shrink=0)
def test_fails():
    assert not is_rare(order())

@pytest.mark.simclock(runs=230)
@pytest.mark.parametrize("threads", [2, 3])
def test_passes(threads):
    order(threads)

def test_ordinary():
    pass
"""
SERIAL = ("-p", "no:xdist")


@pytest.fixture
def campaign(pytester):
    """Return a function that runs a suite in parts: here, if it has no workers and is not to die."""

    def run(*arguments, folder="kept", text=PASSES_AND_FAILS, apart=False):
        # Written once: to this process, a file that is written again has changed.
        if not (pytester.path / "test_suite.py").exists() or apart:
            pytester.makepyfile(test_suite=PROGRAM + dedent(text))
        is_here = arguments[: len(SERIAL)] == SERIAL and not apart
        how = pytester.runpytest_inprocess if is_here else pytester.runpytest_subprocess
        order = [] if "--random-order" in arguments else ["-p", "no:random-order"]
        return how(*order, f"--simclock-campaign={folder}", *arguments)

    return run


def verdicts(result):
    """Return what is said of each test, but for real seconds, what was made when, and where."""
    text = re.sub(r" in \d+\.\d+ s|, \d+ of them made earlier", "", result.stdout.str())
    text = re.sub(r" /\S+/(test_suite\.py:)", r" \1", text)
    found = re.findall(r"^simclock: campaign of (\S+)\n((?:  .*\n)+)", text, re.MULTILINE)
    return dict(found)


def runs_made(pytester):
    """Return how many runs there were, and forget them."""
    log = pytester.path / "runs.log"
    runs = log.stat().st_size if log.exists() else 0
    log.unlink(missing_ok=True)
    return runs


# ------------------------------------------------------------------------- one verdict


# What a session without workers says, and how many runs it makes: the same wherever it is.
known = {}


@pytest.fixture
def whole(campaign, pytester):
    """Return what a session without workers says, and how many runs it makes."""
    if not known:
        said = verdicts(campaign(*SERIAL, folder="serial"))
        known["whole"] = said, runs_made(pytester)
    return known["whole"]


@pytest.fixture
def serial(whole):
    """Return what a session without workers says."""
    return whole[0]


@pytest.mark.slow
def test_the_verdict_does_not_depend_on_who_makes_the_parts(campaign, serial):
    fails, two, three = serial.values()
    assert list(serial) == [
        "test_suite.py::test_fails",
        "test_suite.py::test_passes[2]",
        "test_suite.py::test_passes[3]",
    ]
    assert re.match(
        r"  failed: run \d+ of at most 250, by strategy random; reproduced 10/10\n", fails
    )
    assert "\n  again: pytest test_suite.py::test_fails --simclock-replay=s1." in fails
    assert two.startswith("  passed: ")
    assert three.startswith("  passed: no failure in 230 of 230 runs, in 3 parts\n")

    assert verdicts(campaign("-n2")) == serial


@pytest.mark.slow
@pytest.mark.parametrize("dist", ["loadscope", "each"])
def test_the_verdict_does_not_depend_on_the_distribution(campaign, serial, dist):
    assert verdicts(campaign("-n2", f"--dist={dist}")) == serial


def test_the_verdict_does_not_depend_on_the_order(campaign, serial):
    text = PASSES_AND_FAILS
    result = campaign(
        *SERIAL, "-p", "random_order", "--random-order", "--random-order-seed=3", text=text
    )

    assert verdicts(result) == serial


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [SERIAL, ("-n2",)])
def test_a_session_that_is_killed_is_taken_up_again(pytester, campaign, whole, arguments):
    serial, runs = whole
    (pytester.path / "die").write_text("400")
    killed = campaign(*arguments, apart=True)
    before = runs_made(pytester)

    assert killed.ret != 0
    assert verdicts(killed) != serial
    resumed = campaign(*arguments, apart=True)
    after = runs_made(pytester)
    assert verdicts(resumed) == serial
    # At most one part was lost, and of what has failed one is made again.
    assert 0 < before + after - runs < 3 * 130
    assert "of them made earlier" in resumed.stdout.str()


@pytest.mark.slow
def test_a_worker_that_dies_loses_its_part_and_no_other(pytester, campaign):
    (pytester.path / "die").write_text("150")
    text = "@pytest.mark.simclock(runs=300, strategy='random')\ndef test():\n    order()\n"
    killed = campaign("-n1", text=text)

    killed.assert_outcomes(passed=2, failed=1)
    verdict = verdicts(killed)["test_suite.py::test"]
    assert verdict.startswith("  inconclusive: no failure in 200 of 300 runs, in 2 parts\n")
    assert verdict.endswith("  cut short: runs 101-200 were not made\n")
    runs_made(pytester)

    resumed = campaign(*SERIAL, apart=True, text=text)
    resumed.assert_outcomes(passed=3)
    assert verdicts(resumed)["test_suite.py::test"].startswith(
        "  passed: no failure in 300 of 300 runs, in 3 parts"
    )
    # One run to fill caches, and the 1st, 10th and 100th are repeated.
    assert 101 <= runs_made(pytester) <= 105


# ------------------------------------------------------------- what a part depends on


TEXT = "@pytest.mark.simclock(runs=200, strategy='random')\ndef test():\n    order()\n"


def test_a_session_after_one_that_is_complete_makes_nothing(pytester, campaign):
    campaign(*SERIAL, text=TEXT)
    first = runs_made(pytester)
    result = campaign(*SERIAL, "-rP", text=TEXT)

    assert first > 200
    assert runs_made(pytester) == 0
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines("runs 1-100 have passed in an earlier session")


def test_more_runs_by_the_command_line_are_added(pytester, campaign):
    text = "@pytest.mark.simclock\ndef test():\n    order()\n"
    campaign(*SERIAL, "--simclock-runs=200", text=text)
    runs_made(pytester)
    result = campaign(*SERIAL, "--simclock-runs=300", text=text)

    assert 101 <= runs_made(pytester) <= 105
    result.stdout.fnmatch_lines(
        "*passed: no failure in 300 of 300 runs, in 3 parts, 2 of them made earlier"
    )


@pytest.mark.parametrize(
    "change",
    [
        "--simclock-seed=1",
        "--simclock-strategy=pos",
        "--simclock-latency=0",
        "--simclock-max-time=60",
    ],
)
def test_with_another_option_it_is_another_campaign(pytester, campaign, change):
    text = "@pytest.mark.simclock(runs=200)\ndef test():\n    order()\n"
    campaign(*SERIAL, text=text)
    runs_made(pytester)

    campaign(*SERIAL, change, text=text)
    assert runs_made(pytester) > 20
    campaign(*SERIAL, text=text)
    assert runs_made(pytester) == 0


@pytest.mark.parametrize("changed", ["conftest.py", "pytest.ini", "late.py"])
def test_a_changed_program_is_another_one(pytester, campaign, changed):
    text = "@pytest.mark.simclock(runs=200, strategy='random')\ndef test():\n    import shop\n    shop.late()\n    order()\n"
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    (pytester.path / "conftest.py").write_text("")
    (pytester.path / "late.py").write_text("")
    (pytester.path / "shop.py").write_text("def late():\n    import late\n")
    (pytester.path / "data.txt").write_text("not a part of the program\n")

    campaign(*SERIAL, apart=True, text=text)
    runs_made(pytester)
    (pytester.path / "data.txt").write_text("changed\n")
    campaign(*SERIAL, apart=True, text=text)
    assert runs_made(pytester) == 0
    with (pytester.path / changed).open("a") as file:
        file.write("# changed\n")
    campaign(*SERIAL, apart=True, text=text)

    assert runs_made(pytester) > 200


@pytest.mark.parametrize("edited", ["shop.py", "conftest.py", "test_suite.py"])
def test_what_is_edited_while_the_first_part_is_made_was_not_run(pytester, campaign, edited):
    (pytester.path / "shop.py").write_text("def price():\n    return 1\n")
    (pytester.path / "conftest.py").write_text("")
    text = f"""
    import shop

    @pytest.mark.simclock(runs=200, strategy="random")
    def test():
        if not os.path.exists("edited"):
            open("edited", "w").close()
            with open("{edited}", "a") as file:
                file.write("\\ndef price():\\n    return 2\\n")
        assert shop.price() == 1
        order()
    """
    first = campaign(*SERIAL, apart=True, text=text)
    runs_made(pytester)
    rest = ["-p", "no:random-order", "--simclock-campaign=kept", *SERIAL]
    second = pytester.runpytest_subprocess(*rest)

    first.assert_outcomes(passed=2)
    if edited == "shop.py":
        second.assert_outcomes(failed=1, skipped=1)
    else:
        assert runs_made(pytester) > 200


STATEMENTS = """
from simclock.predicates import reachable

@pytest.mark.simclock(runs=200, strategy="random")
def test_here():
    order()
    import shop
    shop.sell()
    if len(order()) == 1:
        reachable("own")
"""


def test_a_campaign_is_judged_by_the_statements_of_its_test(pytester, campaign):
    pytester.makepyfile(
        shop="from simclock.predicates import sometimes\n"
        "def sell():\n    sometimes(False, 'sold out')\n"
    )
    found = verdicts(campaign(*SERIAL, text=STATEMENTS))["test_suite.py::test_here"]

    assert found.startswith("  inconclusive: no failure in 200 of 200 runs")
    assert "not seen: never reached: reachable 'own'" in found
    assert "sold out" not in found


def test_what_a_campaign_has_seen_of_the_program_is_there_for_the_session():
    from pytest_simclock.campaigns import Campaigns

    tally = Tally()
    tally.predicates.update([Predicate("sometimes", "sold out", "shop.py", 2, 7, 0)])
    made = Made(tally, None, False, 1.0).data()
    campaigns = Campaigns(None)
    for test, parts in (("whole", [[0, 9]]), ("cut", [[0, 9], [9, 9]])):
        told = {
            "test": test,
            "location": f"test_{test}.py",
            "all": parts,
            "strategy": "random",
            "fidelity": "legal",
            "parts": [{"first": 0, "made": made}],
        }
        campaigns.pytest_runtest_logreport(SimpleNamespace(simclock_parts=told))

    assert list(campaigns.statements()) == [
        ("test_whole.py", '[["sometimes", "sold out", "shop.py", 2, 7, 0]]')
    ]


def test_a_failure_that_is_mended_is_searched_for_anew(campaign):
    text = "@pytest.mark.simclock(runs=200)\ndef test():\n    assert order() == 3\n"
    failed = campaign(*SERIAL, apart=True, text=text)
    mended = campaign(*SERIAL, apart=True, text=text.replace("== 3", "!= 3"))

    failed.assert_outcomes(failed=1, skipped=1)
    mended.assert_outcomes(passed=2)


# ---------------------------------------------------------------- what is in the folder


def parts(pytester):
    return sorted((pytester.path / "kept").glob("*/*.json"))


def test_a_damaged_part_is_told_made_again_and_not_lost(pytester, campaign):
    campaign(*SERIAL, text=TEXT)
    first, second = parts(pytester)
    first.write_text(first.read_text()[:99])
    second.write_text("{}")
    runs_made(pytester)
    result = campaign(*SERIAL, text=TEXT)

    result.assert_outcomes(passed=2, warnings=2)
    result.stdout.fnmatch_lines("*UserWarning: a part is made again, its file is damaged: *")
    assert runs_made(pytester) > 200
    assert [each.name for each in parts(pytester)] == [first.name, second.name]
    assert second.with_name(f"{second.name}.damaged-1").read_text() == "{}"
    campaign(*SERIAL, text=TEXT)
    assert runs_made(pytester) == 0


def test_what_a_part_depends_on_is_written_with_it(pytester, campaign):
    campaign(*SERIAL, text=TEXT)
    kept = json.loads(parts(pytester)[0].read_text())

    assert kept["part"] == "runs 1-100"
    assert kept["depends on"]["test"] == "test_suite.py::test"
    assert {"python", "simclock", "installed", "hash seed", "strategy", "seed", "options"} < set(
        kept["depends on"]
    )
    assert str(pytester.path / "test_suite.py") in kept["program"]


def test_two_sessions_on_one_folder(pytester, campaign):
    text = "@pytest.mark.simclock(runs=300, strategy='random')\ndef test():\n    order()\n"
    pytester.makepyfile(test_suite=PROGRAM + text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:random-order",
        *SERIAL,
        "--simclock-campaign=kept",
    ]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [each.communicate(timeout=100)[0] for each in others]

    assert [each.returncode for each in others] == [0, 0]
    assert all("  passed: no failure in 300 of 300 runs, in 3 parts" in each for each in outputs)
    assert len(parts(pytester)) == 3
    assert list((pytester.path / "kept").glob("*/*.tmp")) == []


def test_a_folder_that_cannot_be_written(pytester, campaign):
    (pytester.path / "file").touch()
    result = campaign(*SERIAL, folder="file/kept", text=TEXT)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: --simclock-campaign: campaigns cannot be kept in *")


def test_a_folder_of_something_else_is_refused(pytester, campaign):
    (pytester.path / "src").mkdir()
    (pytester.path / "src" / "shop.py").touch()
    result = campaign(*SERIAL, folder="src", text=TEXT)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: --simclock-campaign: this is no folder of campaigns, *")


def test_the_folder_is_by_default_in_the_cache(pytester):
    pytester.makepyfile(test_suite=PROGRAM + TEXT)
    done = pytester.runpytest_subprocess("--simclock-campaign", *SERIAL)
    without = pytester.runpytest_subprocess(
        "--simclock-campaign", *SERIAL, "-p", "no:cacheprovider"
    )

    done.assert_outcomes(passed=2)
    assert (pytester.path / ".pytest_cache/d/simclock/campaigns/simclock-campaigns.json").exists()
    assert without.ret == pytest.ExitCode.USAGE_ERROR
    without.stderr.fnmatch_lines("write --simclock-campaign=DIR")


def test_the_ini_file_may_say_so(pytester):
    pytester.makeini("[pytest]\nsimclock_campaign = kept\n")
    pytester.makepyfile(test_suite=PROGRAM + TEXT)
    done = pytester.runpytest_subprocess(*SERIAL)
    checked = pytester.runpytest_subprocess(*SERIAL, "--simclock-check")

    done.assert_outcomes(passed=2)
    # No search, so there are no parts of it.
    checked.assert_outcomes(passed=1)


# ---------------------------------------------------------------- pytest's own options


def test_a_part_has_a_name_to_select_it_by(campaign):
    text = (
        "class Test:\n    @pytest.mark.simclock(runs=250)\n    def test(self):\n        order()\n"
    )
    shown = campaign(*SERIAL, "--collect-only", "-q", text=text)
    one = campaign(*SERIAL, "test_suite.py::Test::test[runs-101-200]", text=text)
    other = campaign(*SERIAL, "-k", "runs-201-250", text=text, folder="other")

    assert shown.outlines[:3] == [
        f"test_suite.py::Test::test[runs-{runs}]" for runs in ("1-100", "101-200", "201-250")
    ]
    one.assert_outcomes(passed=1)
    verdict = verdicts(one)["test_suite.py::Test::test"]
    assert verdict.startswith("  inconclusive: no failure in 100 of 250 runs, in 1 part\n")
    assert (
        "  cut short: runs 1-100 were not made\n  cut short: runs 201-250 were not made\n"
        in verdict
    )
    other.assert_outcomes(passed=1, deselected=2)


def test_stopping_at_the_first_failure_and_running_the_last_failed(campaign, serial):
    stopped = campaign(*SERIAL, "-x", text=PASSES_AND_FAILS)
    again = campaign(*SERIAL, "--lf", text=PASSES_AND_FAILS)

    assert verdicts(stopped) == {"test_suite.py::test_fails": serial["test_suite.py::test_fails"]}
    again.assert_outcomes(failed=1)


def test_the_failure_of_a_part_replays(pytester, serial):
    pytester.makepyfile(test_suite=PROGRAM + PASSES_AND_FAILS)
    token = re.search(r"--simclock-replay=(s1\.\S+)", serial["test_suite.py::test_fails"]).group(1)
    result = pytester.runpytest_subprocess(
        *SERIAL, "test_suite.py::test_fails", f"--simclock-replay={token}"
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("simclock: the run followed its schedule to the end")


def test_fixtures_are_made_for_each_run_and_wide_ones_once(campaign):
    result = campaign(
        *SERIAL,
        text="""
        made = []

        @pytest.fixture(scope="module")
        def wide():
            made.append("wide")

        @pytest.fixture
        def own():
            made.append("own")

        @pytest.mark.simclock(runs=200, strategy="random")
        def test(wide, own):
            order()

        def test_after():
            assert made.count("wide") == 1
            # With one to fill caches and three repetitions for each part.
            assert made.count("own") == 2 * 104
        """,
    )

    result.assert_outcomes(passed=3)


def test_what_is_not_split_has_the_same_verdict(campaign):
    result = campaign(
        *SERIAL,
        text="""
        import unittest

        @pytest.mark.simclock(runs=250)
        class Test(unittest.TestCase):
            def test_passes(self):
                order()

            def test_fails(self):
                assert not is_rare(order())
        """,
    )

    result.assert_outcomes(passed=1, failed=1)
    passes = verdicts(result)["test_suite.py::Test::test_passes"]
    assert passes.startswith("  passed: no failure in 250 of 250 runs, in 3 parts\n")


def test_a_test_that_a_conftest_marks_later_has_all_its_parts_in_one_item(pytester, campaign):
    pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for each in items:\n"
        "        each.add_marker(pytest.mark.simclock(runs=250))\n"
    )
    text = "def test():\n    order()\n"
    result = campaign(*SERIAL, text=text)
    runs_made(pytester)
    again = campaign(*SERIAL, text=text)

    for each in (result, again):
        each.assert_outcomes(passed=1)
        assert verdicts(each)["test_suite.py::test"].startswith(
            "  passed: no failure in 250 of 250 runs, in 3 parts\n"
        )
    assert runs_made(pytester) == 0


def test_a_search_of_everything_is_one_part(campaign):
    result = campaign(
        *SERIAL,
        text="""
        @pytest.mark.simclock(runs=1000, strategy="dfs")
        def test_exhausted():
            order(1)

        @pytest.mark.simclock(runs=150, strategy="dfs", latency=0)
        def test_too_much():
            order(3)
        """,
    )

    result.assert_outcomes(passed=2)
    exhausted, too_much = verdicts(result).values()
    assert "every schedule that there is was run" in exhausted
    assert "every schedule that there is" not in too_much
    assert too_much.startswith("  passed: no failure in 150 of 150 runs, in 1 part\n")


def test_parts_after_one_that_leaves_nothing_are_not_needed(campaign):
    text = "@pytest.mark.simclock(runs=300)\ndef test():\n    pass\n"
    result = campaign(*SERIAL, "-rs", text=text)

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines("SKIPPED * not needed: runs 1-100 have ended the search")
    assert "every schedule that there is was run" in verdicts(result)["test_suite.py::test"]


def test_a_budget_that_is_spent_leaves_its_part_to_be_made(pytester, campaign):
    text = "@pytest.mark.simclock(runs=200, strategy='random')\ndef test():\n    order()\n"
    spent = campaign(*SERIAL, "--simclock-budget=1e-9", text=text)
    kept = parts(pytester)
    resumed = campaign(*SERIAL, text=text)

    assert verdicts(spent)["test_suite.py::test"].startswith(
        "  passed: no failure in 2 of 200 runs, "
    )
    assert kept == []
    assert verdicts(resumed)["test_suite.py::test"].startswith(
        "  passed: no failure in 200 of 200 runs, "
    )


def test_skips_expected_failures_and_broken_setups_have_no_verdict(campaign, pytester):
    result = campaign(
        *SERIAL,
        text="""
        pytestmark = pytest.mark.simclock(runs=200)

        def test_skipped():
            pytest.skip("why not")

        @pytest.mark.xfail
        def test_expected():
            assert order() == 3

        @pytest.mark.xfail(strict=True)
        def test_passes_and_must_not():
            order()

        @pytest.fixture
        def broken():
            raise OSError

        def test_broken(broken):
            pass
        """,
    )

    result.assert_outcomes(skipped=3, xfailed=2, failed=2, errors=1)
    assert set(verdicts(result)) == {
        "test_suite.py::test_broken", "test_suite.py::test_passes_and_must_not",
    }  # fmt: skip


def test_a_limit_fails_its_part_and_is_not_kept(campaign, pytester):
    text = "@pytest.mark.simclock(runs=200, max_time=5, strategy='random')\ndef test():\n    time.sleep(6)\n"
    result = campaign(*SERIAL, text=text)

    result.assert_outcomes(failed=1, skipped=1)
    verdict = verdicts(result)["test_suite.py::test"]
    assert verdict.startswith(
        "  failed: run 1 of at most 200, by strategy random; reproduced 0/0\n"
    )


def test_reports_for_other_programs_name_the_parts(campaign, pytester):
    text = "@pytest.mark.simclock(runs=200, strategy='random')\ndef test():\n    order()\n"
    campaign(*SERIAL, "--junitxml=report.xml", text=text)
    report = (pytester.path / "report.xml").read_text()

    assert re.findall(r'<testcase classname="\w+" name="([^"]*)"', report) == [
        "test[runs-1-100]", "test[runs-101-200]",
    ]  # fmt: skip
    assert '<property name="simclock_runs" value="100"' in report


def test_coroutines_and_other_plugins_items(campaign):
    result = campaign(
        *SERIAL,
        text="""
        import asyncio

        @pytest.mark.simclock(runs=200, strategy="random")
        async def test_own(sim):
            await asyncio.sleep(3600)

        @pytest.mark.anyio
        @pytest.mark.simclock(runs=200, strategy="random")
        async def test_anyio(anyio_backend):
            await asyncio.sleep(3600)

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """,
    )

    result.assert_outcomes(passed=4)


# ------------------------------------------------------------------- the corpus of a search


def test_a_kept_schedule_of_chaos_fails_no_legal_search(pytester):
    pytester.makepyfile(
        test_suite="""
        import asyncio, pytest

        @pytest.mark.simclock
        async def test():
            seen = []

            async def note(number):
                seen.append(number)

            await asyncio.gather(note(1), note(2))
            assert seen == [1, 2]
        """
    )
    options = (*SERIAL, "--simclock-corpus=kept", "--simclock-runs=50")
    found = pytester.runpytest_inprocess(*options, "--simclock-fidelity=chaos")
    legal = pytester.runpytest_inprocess(*options)
    again = pytester.runpytest_inprocess(*options, "--simclock-fidelity=chaos")

    found.assert_outcomes(failed=1)
    legal.assert_outcomes(passed=1)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines("a schedule that an earlier search has found failed again; *")


@pytest.mark.parametrize("option", ["campaign", "corpus"])
@pytest.mark.parametrize("said", ["test_suite.py", "test_suite.py::test_fails"])
def test_what_was_meant_for_the_tests_is_no_folder(pytester, option, said):
    pytester.makepyfile(test_suite="def test_fails(): pass")

    result = pytester.runpytest("-p", "no:xdist", f"--simclock-{option}", said)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: --simclock-{option}: this is no folder: '{said}'",
            f"write --simclock-{option}=DIR; or, without a folder, name the tests first",
        ]
    )
