"""Docstrings as Markdown.

They nearly are: names stand in backticks, arguments in asterisks, code is
indented. What differs is the sections for arguments and errors.
"""

from __future__ import annotations

import inspect
import re

SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields")
# An entry of a section: names, or a sentence that begins below the heading.
ENTRY = re.compile(r"    ([*\w][\w*, .`]*): (.*)")


def markdown(thing):
    """Return the docstring of *thing*."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    return "\n".join(_sections(_code(lines))).strip()


def _code(lines):
    """Yield *lines* with `::` as a colon; the code below it is indented already."""
    for line in lines:
        yield line[:-1] if line.endswith("::") else line


def _sections(lines):
    inside = False
    for line in lines:
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            inside = True
            yield f"**{line}**"
            yield ""
        elif inside and line and not line.startswith(" "):
            inside = False
            yield line
        elif inside:
            yield _entry(line)
        else:
            yield line


def _entry(line):
    found = ENTRY.fullmatch(line)
    if found:
        return f"- `{found[1]}`: {found[2]}"
    # A further line of an entry, or a section that is one sentence.
    return f"  {line.strip()}" if line.startswith("     ") else line.strip()
