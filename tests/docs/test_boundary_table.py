"""The page that lists the rows of the boundary says what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "boundary-table.md"


def test_the_table_of_the_boundary_is_current():
    done = subprocess.run(
        [sys.executable, "-m", "simclock", "rows", "--markdown"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert PAGE.read_text() == done.stdout, "run: python -m simclock rows --markdown"
