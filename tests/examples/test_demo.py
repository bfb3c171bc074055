"""The example service's tests pass in simulated time, and the demo tells when they do not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COURIER = EXAMPLES / "courier"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("courier_demo", EXAMPLES / "demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def simulated(demo):
    return demo.run_tests("--simclock")


@pytest.mark.parametrize(
    "file",
    sorted(
        str(path.relative_to(COURIER))
        for path in [
            COURIER / "pyproject.toml",
            *COURIER.glob("src/**/*.py"),
            *COURIER.glob("tests/*.py"),
        ]
    ),
)
def test_the_service_and_its_tests_know_nothing_of_simclock(file):
    assert "simclock" not in (COURIER / file).read_text()


def test_all_its_tests_pass_in_simulated_time(simulated):
    assert set(simulated.outcomes.values()) == {"passed"}, simulated.output
    assert len(simulated.outcomes) == 128


def test_its_tests_wait_for_minutes(simulated):
    assert 200 < simulated.own_s < 240


def test_two_runs_from_one_instant_take_the_same_time_to_the_nanosecond(demo):
    # Without, the wall clock starts at the real time, and its floats are rounded in other places.
    epoch = "--simclock-epoch=2026-03-01T09:30:00+00:00"
    runs = [demo.run_tests("--simclock", epoch) for _ in range(2)]

    assert runs[0].own_s == runs[1].own_s


def test_the_tests_that_use_simclock_pass(demo):
    run = demo.run_tests("tests_simulated")

    assert set(run.outcomes.values()) == {"passed"}, run.output
    assert len(run.outcomes) == 6
    # A month and an hour.
    assert run.own_s > 2_595_600


# ------------------------------------------------------------------ what the demo makes of its runs


def runs_of(demo, **outcomes):
    return demo.Run(outcomes, own_s=9.0, real_s=0.5, output="line one\nline two")


def test_equal_outcomes_are_no_difference(demo):
    run = runs_of(demo, one="passed", two="skipped")

    assert demo.differences(run, run) == []
    assert demo.problems({"real": run}, []) == []


def test_each_test_with_another_outcome_is_named(demo):
    real = runs_of(demo, one="passed", two="passed", three="skipped")
    simulated = runs_of(demo, one="passed", two="failed", four="passed")

    assert demo.differences(real, simulated) == [
        "two: passed -> failed",
        "three: skipped -> absent",
        "four: absent -> passed",
    ]


def test_what_is_wrong_is_shown_with_the_evidence(demo):
    runs = {"all": runs_of(demo, one="failed", two="error"), "none": runs_of(demo)}

    assert demo.problems(runs, ["one: passed -> failed"]) == [
        "the outcomes differ (real -> simulated):\n  one: passed -> failed",
        "2 failed: all\n  line one\n  line two",
        "no test was run: none\n  line one\n  line two",
    ]


def test_the_figures_are_a_table(demo):
    runs = {"for real": runs_of(demo, one="passed"), "simulated": runs_of(demo, one="passed")}

    assert demo.table(runs).splitlines() == [
        "           tests  by their own clock  really took  ratio",
        "for real       1              9.00 s       0.50 s    18x",
        "simulated      1              9.00 s       0.50 s    18x",
    ]


def write_service(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_outcomes_and_the_own_clock_are_read_from_the_report(demo, tmp_path):
    service = write_service(
        tmp_path,
        test_a=(
            "import time, pytest\n"
            "def test_good(): time.sleep(3600)\n"
            "def test_bad(): assert False\n"
            "def test_skipped(): pytest.skip('why')\n"
            "@pytest.fixture\n"
            "def broken(): yield; 1 / 0\n"
            "def test_teardown(broken): pass\n"
        ),
    )

    run = demo.run_tests("--simclock", service=service)

    assert run.outcomes == {
        "test_a::test_good": "passed",
        "test_a::test_bad": "failed",
        "test_a::test_skipped": "skipped",
        "test_a::test_teardown": "error",
    }
    assert 3600 <= run.own_s < 3600.001
    assert run.failures == ["test_a::test_bad", "test_a::test_teardown"]


def test_a_run_that_pytest_refuses_is_no_comparison(demo, tmp_path):
    with pytest.raises(demo.CannotCompareError, match="pytest ended with exit status 4"):
        demo.run_tests("--no-such-option", service=tmp_path)


def test_the_exit_status_is_0_if_the_outcomes_agree(demo, monkeypatch, capsys):
    monkeypatch.setattr(demo, "run_tests", lambda *arguments: runs_of(demo, one="passed"))
    monkeypatch.setattr(sys, "argv", ["demo"])

    assert demo.main() == 0

    out, err = capsys.readouterr()
    assert out.endswith("\n1 tests run both ways: the same outcomes; no test failed\n")
    assert err == ""


def test_the_exit_status_is_1_if_they_do_not(demo, monkeypatch, capsys):
    def run_tests(*arguments):
        return runs_of(demo, one="skipped" if "--simclock" in arguments else "passed")

    monkeypatch.setattr(demo, "run_tests", run_tests)
    monkeypatch.setattr(sys, "argv", ["demo"])

    assert demo.main() == 1

    out, err = capsys.readouterr()
    assert "the same outcomes" not in out
    assert err == ("demo: the outcomes differ (real -> simulated):\n  one: passed -> skipped\n")


def test_what_cannot_be_compared_is_status_2(demo, monkeypatch, capsys):
    monkeypatch.setattr(demo.importlib.metadata, "entry_points", lambda group: ())
    monkeypatch.setattr(sys, "argv", ["demo"])

    assert demo.main() == 2
    assert capsys.readouterr().err == (
        f"demo: simclock's pytest plugin is not installed in: {sys.executable}\n"
        "install it with: python -m pip install --editable '.[pytest]'\n"
    )
