"""``python -m tools.comparison [WANT ...]``: ask all tools, and write the page and README's table.

Wants are named as in the results; of the others the stored results are kept. With ``--again``
nobody is asked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.comparison import page, storing
from tools.comparison.asked import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "comparison.md"
README = ROOT / "README.md"


def write() -> None:
    """Write the page, and the README's part between its markers."""
    results = storing.stored()
    PAGE.write_text(page.page(results), encoding="utf-8")
    before, _, rest = README.read_text("utf-8").partition(page.BEGIN)
    after = rest.partition(f"{page.END}\n")[2]
    README.write_text(f"{before}{page.short(results)}{after}", encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.comparison", description=__doc__)
    names = [want.name for group in GROUPS for want in group.wants]
    parser.add_argument("want", nargs="*", choices=[*names, []], help="all, if none is named")
    parser.add_argument("--again", action="store_true", help="only write, from what is stored")
    arguments = parser.parse_args()
    if not arguments.again:
        storing.store(storing.ask(lambda line: print(line, flush=True), arguments.want))
    write()


if __name__ == "__main__":
    main()
