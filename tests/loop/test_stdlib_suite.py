"""The standard library's own tests of asyncio pass on SimEventLoop, except those that do not apply.

Here the modules that are quick; `./dev asynciotests` runs all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICK = [
    "test_context",
    "test_futures",
    "test_futures2",
    "test_locks",
    "test_pep492",
    "test_queues",
    "test_runners",
    "test_server",
    "test_taskgroups",
    "test_threads",
    "test_timeouts",
    "test_waitfor",
]


@pytest.fixture
def tool(modules_of):
    """The tool's modules."""
    return modules_of("tools.stdlibtests", "judging", "listed", "page", "running")


@pytest.fixture
def modules(tool):
    found = tool.running.find_modules()
    if not found:
        pytest.skip("this Python came without test.test_asyncio")
    return found


@pytest.mark.parametrize("module", QUICK)
def test_a_module_of_the_standard_librarys_tests_passes(module, tool, modules):
    if module not in modules:
        pytest.skip("this Python has no such module")
    listed = [e for e in tool.listed.LISTED if e.here and e.names_one_of(module, [])]

    verdict = tool.judging.judge(tool.running.run_module(module, "simulated", [], listed), listed)

    assert verdict.counts["passed"] > 0
    assert [(failure.test, failure.why) for failure in verdict.failures] == []
    assert verdict.needless == []


def test_what_fails_and_is_not_listed_is_a_failure(tool):
    outcomes = [
        tool.running.Outcome("test_a.A.test_good", "passed"),
        tool.running.Outcome("test_a.A.test_bad", "failed"),
        tool.running.Outcome("test_a.B.test_bad", "crashed"),
    ]

    verdict = tool.judging.judge(outcomes, [tool.listed.Listed("test_a.A.test_bad", "a reason")])

    assert [failure.test for failure in verdict.failures] == ["test_a.B.test_bad"]
    assert verdict.counts == {"passed": 1, "listed": 1, "crashed": 1}
    assert not verdict.good


def test_what_is_listed_and_does_not_fail_is_listed_without_need(tool):
    outcomes = [
        tool.running.Outcome("test_a.A.test_good", "passed"),
        tool.running.Outcome("test_a.A.test_skipped", "skipped"),
    ]
    listed = [
        tool.listed.Listed(f"test_a.A.{name}", "a reason")
        for name in ("test_good", "test_skipped", "test_gone")
    ]

    verdict = tool.judging.judge(outcomes, listed)

    assert verdict.needless == [
        "test_a.A.test_good: passed",
        "test_a.A.test_skipped: skipped",
        "test_a.A.test_gone: no such test was run",
    ]


def test_a_test_that_hangs_or_crashes_does_not_end_the_others(tool, modules, tmp_path):
    report = tmp_path / "report"
    report.write_text(
        '{"test": "test_a.A.test_one"}\n'
        '{"test": "test_a.A.test_one", "outcome": "passed", "why": "", "seconds": 0.1}\n'
        '{"test": "test_a.A.test_two"}\n'
    )

    for said, outcome in (("Timeout (0:01:30)!", "hung"), ("Fatal Python error", "crashed")):
        outcomes, complete = tool.running.read_report(report, "test_a", said, 1)
        assert [found.outcome for found in outcomes] == ["passed", outcome]
        assert not complete


def test_the_page_lists_what_the_tool_has_listed(tool):
    page = (ROOT / "docs/reference/asyncio-tests.md").read_text(encoding="utf-8")

    assert page.endswith(tool.page.listing(tool.listed.LISTED))
