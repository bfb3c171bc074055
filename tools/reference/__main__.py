"""``python -m tools.reference``: write the committed pages; with ``--names`` the others."""

from __future__ import annotations

import argparse

from tools.reference import names, pages


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--names", action="store_true", help="write the pages of public names")
    chosen = parser.parse_args()
    folder = pages.FOLDER / "names" if chosen.names else pages.FOLDER
    made = names.pages() if chosen.names else pages.pages()
    folder.mkdir(exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
