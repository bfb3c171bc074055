"""``python -m simclock.systems.services CONFIG``: run the services of a configuration.

SIGINT and SIGTERM end it. Exit codes:

0  it was ended by a signal or by shutdown()
1  a service has failed
2  the command or the configuration is wrong
3  it was ended, and something would not stop; its name is in the log
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from simclock.systems.services import units
from simclock.systems.services.configuration import ConfigurationError, load
from simclock.systems.services.failures import BackgroundFailure
from simclock.systems.services.runner import runtime

ENDED, FAILED, WRONG, ABANDONED = range(4)
KEEP = "make instances of a class with @service(flavour=...), and keep them: beat = Beat()"
log = logging.getLogger("simclock.systems.services")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simclock.systems.services",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="a file .py or .toml")
    config = parser.parse_args(arguments).config
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        services = load(config)
    except ConfigurationError as error:
        _tell("configuration error", error, error.__cause__)
        return WRONG
    if not units.there_are_any() and not runtime.has_payloads():
        log.error(
            "configuration error: %s: it made no service that is still there\n%s", config, KEEP
        )
        return WRONG
    code = _run()
    services.clear()  # until now they were kept alive
    return code


def _run() -> int:
    log.info("runs until SIGINT or SIGTERM, pid %d", os.getpid())
    try:
        runtime.accept()
    except BackgroundFailure as error:
        _tell("terminated", error)  # each failure was logged with its traceback
        return FAILED
    log.info("ended")
    return ABANDONED if _abandoned() else ENDED


def _tell(what: str, error: Exception, cause: BaseException | None = None) -> None:
    log.error("%s: %s", what, error, exc_info=cause)


def _abandoned() -> tuple[str, ...]:
    return runtime.report.abandoned if runtime.report else ()


def _exit(code: int) -> None:
    """End the process; what was abandoned must not keep it."""
    if _abandoned():
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":  # pragma: no branch - nobody imports a command
    _exit(main())
