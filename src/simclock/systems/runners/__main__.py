"""``python -m simclock.systems.runners --app MODULE:NAME COMMAND``: run tasks, and see to them.

runner start   run tasks until SIGINT or SIGTERM
status         show how many invocations there are, and who runs
list           show invocations, the newest first
purge          remove all invocations
show_config    show the settings, from wherever they come

Exit codes:

0  it was done, or ended by a signal
1  it has failed; what has is in the log
2  the command, the application or a setting is wrong
3  it was ended, and something would not stop; its name is in the log
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from simclock.systems._shared.urls import without_password
from simclock.systems.runners.app import Pynenc
from simclock.systems.runners.failures import ConfigError, PynencError, RunnerError
from simclock.systems.runners.finding import RUNNERS, runner_class
from simclock.systems.runners.statuses import InvocationStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DONE, FAILED, WRONG, ABANDONED = range(4)
PLACEHOLDERS = ("DummyRunner", "ExternalRunner")
# Of a command whose reader has gone, as of one that SIGPIPE has ended.
UNREAD = 141
log: logging.Logger = logging.getLogger("simclock.systems.runners")


class CommandError(Exception):
    """A command cannot be carried out as it was given."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(message)s")
    try:
        app = load(options.app)
        level = "DEBUG" if options.verbose else app.conf.logging_level.upper()
        logging.getLogger().setLevel(level)
        code: int = options.run(app, options)
    except (CommandError, ConfigError) as error:
        _say(error)
        return WRONG
    except PynencError as error:
        _say(error)
        return FAILED
    return code


def _say(error: Exception) -> None:
    sys.stderr.write(f"error: {error}\n")


# -------------------------------------------------------------------------- the arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simclock.systems.runners",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--app", required=True, metavar="MODULE:NAME", help="the application")
    parser.add_argument("-v", "--verbose", action="store_true", help="log all that happens")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_runner(commands)
    _add(commands, "status", status, "show how many invocations there are, and who runs")
    _add_list(commands)
    purging = _add(commands, "purge", purge, "remove all invocations")
    purging.add_argument("--yes", action="store_true", help="it is meant")
    _add(commands, "show_config", show_config, "show the settings")
    return parser


def _add(
    commands: Any, name: str, run: Callable[[Pynenc, argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def _add_runner(commands: Any) -> None:
    runner = commands.add_parser("runner", help="run tasks", allow_abbrev=False)
    parser = _add(
        runner.add_subparsers(required=True, metavar="COMMAND"), "start", start, "start a runner"
    )
    kinds = [each for each in RUNNERS if each not in PLACEHOLDERS]
    parser.add_argument(
        "--runner", choices=kinds, help=f"{', '.join(kinds)} (by default runner_cls says which)"
    )


def _add_list(commands: Any) -> None:
    parser = _add(commands, "list", list_invocations, "show invocations, the newest first")
    statuses = [each.value for each in InvocationStatus]
    parser.add_argument(
        "--status", action="append", choices=statuses, metavar="STATUS", help=", ".join(statuses)
    )
    parser.add_argument(
        "--limit", type=_count, default=50, metavar="N", help="at most (%(default)d)"
    )
    parser.add_argument(
        "--watch", type=_seconds, metavar="SECONDS", help="show them again and again, until SIGINT"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of invocations: give one from 1 on"
        )
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 1e6:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: give one such as 2")


def load(name: str) -> Pynenc:
    """Return the application that *name* says, ``module:attribute``.

    Raises:
        CommandError: There is none.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise CommandError(f"this names no application: {name!r}\ngive module:name")
    try:
        module = importlib.import_module(module_name)
    except ConfigError:
        raise
    except Exception as error:
        raise CommandError(
            f"module {module_name!r} cannot be imported: {type(error).__name__}: {error}\n"
            "give one that can be imported here, and has the application"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Pynenc):
        raise CommandError(
            f"{module_name} has no application of this name: {attribute!r}\n"
            f"it has: {', '.join(_applications(module)) or 'none'}"
        )
    return found


def _applications(module: Any) -> Iterator[str]:
    return (name for name, value in vars(module).items() if isinstance(value, Pynenc))


# --------------------------------------------------------------------------- the commands


def start(app: Pynenc, options: argparse.Namespace) -> int:
    """Run a runner until a signal ends it."""
    name = options.runner or app.conf.runner_cls
    if name in PLACEHOLDERS:
        raise CommandError(
            f"a {name} runs nothing\ngive --runner, or runner_cls in the configuration"
        )
    _check_shared(app)
    runner = runner_class(name)(app)
    log.info("starts the %s, pid %d", name, os.getpid())
    try:
        runner.run()  # which logs when it runs: from then on signals are handled
    except RunnerError as error:
        raise CommandError(str(error)) from error
    log.info("ended")
    return ABANDONED if runner.stop_report and runner.stop_report.abandoned else DONE


def _check_shared(app: Pynenc) -> None:
    if app.storage.is_shared_memory:
        raise CommandError(
            f"the storage of {app!r} is the memory of this process: {app.storage.url}\n"
            "give storage_url=, such as sqlite:///runners.db: others have to reach it"
        )


def status(app: Pynenc, options: argparse.Namespace) -> int:  # noqa: ARG001 - as all commands
    """Show how many invocations there are, what waits in the queue, and who runs."""
    _check_shared(app)
    _print(f"application {app.app_id}")
    for each in InvocationStatus:
        count = app.orchestrator.count_invocations(statuses=[each])
        if count:
            _print(f"  {each.value:<30}{count:>6}")
    jobs = app.storage.queue.counts(time.time())
    _print(f"queue: {jobs.ready} ready, {jobs.delayed} delayed, {jobs.claimed} claimed")
    runners = app.orchestrator.active_runners()
    _print(f"runners: {len(runners)}")
    for runner in runners:
        _print(f"  {runner.runner_cls} {runner.runner_id} on {runner.hostname}, pid {runner.pid}")
    return DONE


def list_invocations(app: Pynenc, options: argparse.Namespace) -> int:
    """Show invocations; with ``--watch`` again and again."""
    _check_shared(app)
    try:
        _list(app, options)
        while options.watch:
            time.sleep(options.watch)
            _print("")
            _list(app, options)
    except KeyboardInterrupt:
        return DONE
    return DONE


def _list(app: Pynenc, options: argparse.Namespace) -> None:
    statuses = [InvocationStatus(each) for each in options.status] if options.status else None
    ids = app.orchestrator.get_invocation_ids_paginated(statuses=statuses, limit=options.limit)
    for each in ids:
        with contextlib.suppress(LookupError):  # it was purged meanwhile
            stored = app.orchestrator.get(each)
            since = stored.since.isoformat(timespec="milliseconds")
            _print(f"{stored.id}  {stored.status.value:<12}  {since}  {stored.task}")


def purge(app: Pynenc, options: argparse.Namespace) -> int:
    """Remove all invocations."""
    _check_shared(app)
    count = app.orchestrator.count_invocations()
    if not options.yes:
        raise CommandError(f"this removes {count} invocations, also those that run\ngive --yes")
    app.purge()
    _print(f"removed {count} invocations")
    return DONE


def show_config(app: Pynenc, options: argparse.Namespace) -> int:  # noqa: ARG001 - as all commands
    """Show the settings, as a file in TOML could say them."""
    settings = dataclasses.asdict(app.conf)
    sections = {name: each for name, each in settings.items() if isinstance(each, dict)}
    _print_settings({n: each for n, each in settings.items() if n not in sections})
    for name, section in sections.items():
        _print(f"\n[{name}]")
        _print_settings(section)
    return DONE


def _print_settings(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        shown = without_password(value) if name == "storage_url" else value
        _print(f"{name} = {_toml(shown)}")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else repr(value)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _exit(code: int) -> None:
    """End the process; what was abandoned must not keep it."""
    if code == ABANDONED:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":  # pragma: no branch - nobody imports a command
    try:
        _exit(main())
    except BrokenPipeError:
        # Nobody reads any more; the interpreter is not to find that once again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNREAD)
