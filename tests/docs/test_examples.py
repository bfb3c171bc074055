"""Every Python example in the README and the documentation runs as it stands."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
EXAMPLES = {
    f"{page.relative_to(ROOT)}:{page.read_text()[: match.start()].count(chr(10)) + 1}": match[1]
    for page in PAGES
    for match in re.finditer(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
}


@pytest.mark.parametrize("place", EXAMPLES)
def test_example(pytester, place):
    code = textwrap.dedent(EXAMPLES[place])

    if "def test_" in code:
        pytester.makepyfile(test_example=code)
        done = pytester.runpytest_subprocess("-p", "no:xdist", "-W", "error", timeout=60)
    else:
        done = pytester.runpython(pytester.makepyfile(example=code))

    assert done.ret == 0


def test_the_readme_has_examples():
    assert any(place.startswith("README.md") for place in EXAMPLES)
