"""``python -m simclock rows``: print the table of the boundary."""

from __future__ import annotations

import argparse
import json

from simclock._boundary.table import ROWS


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m simclock", description=__doc__)
    commands = parser.add_subparsers(required=True)
    rows = commands.add_parser("rows", help="what happens to each built-in in a simulated thread")
    rows.add_argument("--json", action="store_true", help="for machines")
    print_rows(as_json=parser.parse_args().json)


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


if __name__ == "__main__":
    main()
