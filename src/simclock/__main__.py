"""``python -m simclock rows``: print the table of the boundary."""

from __future__ import annotations

import argparse
import json

from simclock._boundary.rows import Row
from simclock._boundary.table import ROWS


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m simclock", description=__doc__)
    commands = parser.add_subparsers(required=True)
    rows = commands.add_parser("rows", help="what happens to each built-in in a simulated thread")
    form = rows.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for machines")
    form.add_argument("--markdown", action="store_true", help="for every supported Python")
    chosen = parser.parse_args()
    if chosen.markdown:
        print(markdown())
    else:
        print_rows(as_json=chosen.json)


def print_rows(*, as_json: bool) -> None:
    """Print every row that this Python has."""
    present = [row for row in ROWS if row.present]
    if as_json:
        print(
            json.dumps(
                [{"name": r.name, "status": r.status, "note": r.note} for r in present], indent=1
            )
        )
        return
    width = max(len(row.name) for row in present)
    for row in present:
        print(f"{row.name:{width}}  {row.status:9}  {row.note}")


def markdown() -> str:
    """Return the page ``docs/reference/boundary-table.md``, without its last newline."""
    lines = [
        "# The table of the boundary",
        "",
        "Made by `python -m simclock rows --markdown`; a test compares it with the code.",
        "Without an option the command lists what the Python at hand has.",
        "",
        "- *simulated*: in a simulated thread the call goes to the kernel.",
        "- *held*: the original runs for real, and the whole simulation stands still meanwhile.",
        "",
        "| built-in | in a simulated thread | | Python |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{r.name}` | {r.status} | {r.note} | {_versions(r)} |" for r in ROWS]
    return "\n".join(lines)


def _versions(row: Row) -> str:
    always = Row._field_defaults
    if row.since != always["since"]:
        return f"from {row.since[0]}.{row.since[1]} on"
    if row.until != always["until"]:
        return f"before {row.until[0]}.{row.until[1]}"
    return "all"


if __name__ == "__main__":
    main()
