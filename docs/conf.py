"""The documentation as a site: ``./dev docs``.

The pages are plain Markdown that a code host shows as it is. What only a site
needs is added here while it is built: the tables of contents, by glob, so that
a new page appears by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "simclock"
copyright = "the authors of simclock, MIT"  # noqa: A001 - Sphinx' name for it
extensions = ["myst_parser"]

# The source is the whole checkout, so that links from page to page, to README and examples, stay
# what they are.
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "examples/*/README.md",
    "newsfragments/README.md",
    "tests/README.md",
]
exclude_patterns = [".*", "build", "dist", "src", "**/.pytest_cache"]

# Anchors of headings, made as code hosts make them.
myst_heading_anchors = 4

# Texts are to be copied: no other quotation marks and dashes than those that are written.
smartquotes = False

html_theme = "furo"
html_title = "simclock"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
# The site begins at its top, too.
html_additional_pages = {"index": "top.html"}
# What stands in a block without a language is output.
highlight_language = "none"
pygments_style = "friendly"
pygments_dark_style = "native"

# By caption, in the order of the side bar.
CONTENTS = {
    "Tutorial": ["tutorial/*"],
    "How to": ["how-to/*"],
    "Reference": ["reference/*", "glossary"],
    "Names": ["reference/names/*"],
    "Explanation": ["explanation/*"],
    "Project": [
        "/README",
        "decisions/README",
        "/CHANGELOG",
        "/CONTRIBUTING",
        "/tests/README",
        "/newsfragments/README",
    ],
    "Examples": ["/examples/*/README"],
}


def table(patterns: list[str], *options: str) -> str:
    """Return a hidden table of contents, which the theme shows beside the pages."""
    lines = ["```{toctree}", ":hidden:", ":glob:", *options, "", *patterns, "```"]
    return "\n\n" + "\n".join(lines) + "\n"


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add the tables of contents to the pages that have some."""
    if page == root_doc:
        source[0] += "".join(
            table(patterns, f":caption: {caption}") for caption, patterns in CONTENTS.items()
        )
    elif page == "docs/decisions/README":
        source[0] += table(["0*"])


def setup(app: Sphinx) -> None:
    """Have them added when a page is read."""
    app.connect("source-read", add_contents)
