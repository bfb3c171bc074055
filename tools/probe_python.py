"""Say whether the Python that runs this can build and run simclock.

Prints ``VERSION EXECUTABLE`` and exits with 0, or prints the reason and exits
with 1. The syntax is old on purpose: whatever is called ``python3`` runs it.
"""

import os
import shutil
import sys
import sysconfig


def objection():
    """Return why this Python cannot be used, or ``None``."""
    if sys.implementation.name != "cpython":
        return "is %s, not CPython" % sys.implementation.name
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        return "is %d.%d, not 3.10 to 3.13" % sys.version_info[:2]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "is a free-threaded build"
    try:
        import ensurepip  # noqa: F401, PLC0415 - distributions split it off
        import venv  # noqa: F401, PLC0415
    except ImportError:
        return "cannot make virtual environments (install its venv package)"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "has no C headers (install its development package)"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return "finds no C compiler: %s" % compiler
    return None


problem = objection()
if problem:
    print("%s %s" % (sys.executable, problem))
    sys.exit(1)
print("%d.%d %s" % (sys.version_info[0], sys.version_info[1], sys.executable))
