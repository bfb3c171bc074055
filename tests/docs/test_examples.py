"""Every Python example in the README and the documentation runs and prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The tutorial is followed as a whole, in test_tutorial.py.
PAGES = [
    ROOT / "README.md",
    *sorted(set(ROOT.glob("docs/**/*.md")) - set(ROOT.glob("docs/tutorial/*.md"))),
]
# A block of Python, and the block of text that follows it, if one does: what it prints. A file of
# tests with its name is followed with the page's commands, in test_tutorial.py, too.
EXAMPLE = re.compile(
    r"^```python\n(?!# test_)(.*?)^```$(?:(?:(?!^```).)*?^```text\n(.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
EXAMPLES = {
    f"{page.relative_to(ROOT)}:{text[: match.start()].count(chr(10)) + 1}": match.groups()
    for page in PAGES
    for text in [page.read_text()]
    for match in EXAMPLE.finditer(text)
}
# A block that begins with "# name.py" is a module, which the other blocks of its page import.
MODULE = re.compile(r"^```python\n(# (\w+)\.py\n.*?)^```$", re.MULTILINE | re.DOTALL)


# How busy the machine is says nothing of an example.
PATIENT = """
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
"""


def write_modules(pytester, place):
    text = (ROOT / place.rpartition(":")[0]).read_text()
    for code, name in MODULE.findall(text):
        pytester.makepyfile(**{name: code})


@pytest.mark.parametrize("place", EXAMPLES)
def test_example(pytester, monkeypatch, place):
    monkeypatch.setenv("TZ", "UTC")
    code, output = EXAMPLES[place]
    write_modules(pytester, place)

    if "def test_" in code:
        pytester.makepyfile(test_example=code)
        if "hypothesis" in code:
            pytester.makeconftest(PATIENT)
        done = pytester.runpytest_subprocess("-p", "no:xdist", "-W", "error", timeout=60)
    elif module := MODULE.match(f"```python\n{code}```"):
        done = pytester.runpython_c(f"import {module[2]}")
    else:
        done = pytester.runpython(pytester.makepyfile(example=code))
        assert done.outlines == (output or "").splitlines()

    assert done.ret == 0


def test_the_readme_has_examples_and_their_output():
    outputs = [output for place, (_, output) in EXAMPLES.items() if place.startswith("README.md")]

    # The one without is a file, which test_tutorial.py uses.
    assert [output is not None for output in outputs] == [False, True, True, True]
