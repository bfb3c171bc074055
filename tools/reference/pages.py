"""The pages, by their path in ``docs/reference``."""

from __future__ import annotations

import inspect
from pathlib import Path

from pytest_simclock import options, plugin
from simclock import errors, hookspecs
from tools.reference import names
from tools.reference.docstrings import markdown

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
MADE = "Made of the code by `./dev reference`; a test compares it."


def pages():
    """Return each page's text by the name of its file."""
    return {
        "options.md": options_page(),
        "fixtures.md": fixtures_page(),
        "hooks.md": hooks_page(),
        "errors.md": errors_page(),
    }


def page(title, *parts):
    """Return the text of a page."""
    return "\n\n".join([f"# {title}", MADE, *filter(None, parts)]) + "\n"


# ------------------------------------------------------------------- options


class Recorder:
    """A parser of pytest that notes which options it is given."""

    def __init__(self):
        self.options = {}
        self.ini = {}

    def getgroup(self, *_):
        """Return itself: an option is noted wherever it belongs."""
        return self

    def addoption(self, name, **attributes):
        """Note an option of the command line."""
        self.options[name] = attributes

    def addini(self, name, help, **attributes):  # noqa: A002, ARG002 - pytest's name for it
        """Note an option of the ini file."""
        self.ini[name] = attributes


# Where more is said of an option.
SEE = {
    "wall-clock": ("the wall clock", "../explanation/wall-clock.md"),
    "external": ("the world outside", "../explanation/outside.md"),
    "processes": ("processes", "../explanation/processes.md"),
    "real-packages": ("libraries that wait in C", "../how-to/libraries-that-wait-in-c.md"),
    "faults": ("faults", "../how-to/inject-faults.md"),
    "strategy": ("strategies", "../explanation/schedules.md#strategies"),
    "fidelity": ("what is legal", "../explanation/schedules.md#what-is-legal"),
    "timeline": ("timelines", "../how-to/read-a-timeline.md"),
    "corpus": ("what has failed", "../how-to/search-for-long.md#what-has-failed-is-run-first"),
    "campaign": ("searching for long", "../how-to/search-for-long.md"),
    "replay": ("replaying", "../how-to/search-schedules.md#replay-it-and-keep-it"),
    "check": ("determinism", "../how-to/search-schedules.md#is-it-deterministic"),
}


def options_page():
    """Return the page of the options of the command line, the ini file and the marker."""
    recorder = Recorder()
    plugin.pytest_addoption(recorder)
    left = {name.removeprefix("--simclock-"): name for name in recorder.options}
    parts = []
    for title, group in (
        ("A test's simulation", options.OPTIONS),
        ("A search of schedules", options.SEARCH_OPTIONS),
        ("Timelines", options.TIMELINE_OPTIONS),
    ):
        parts += _group(title, [left.pop(option.name) for option in group], recorder)
    first = [left.pop(name) for name in ("--simclock", "--no-simclock")]
    kept = [left.pop(name) for name in ("corpus", "campaign")]
    return page(
        "Options",
        "In the ini file each has the same name with underscores, `simclock_max_time` for"
        " `--simclock-max-time`, if it is not said otherwise. [The pytest plugin](pytest.md) says"
        " how they go together.",
        *_group("Which tests", first, recorder),
        *parts,
        *_group("What is kept", kept, recorder),
        *_group("Again, and again the same", left.values(), recorder),
        "## The marker",
        f"`@pytest.mark.{options.MARKER.partition(': ')[0]}`",
        f"It is to {options.MARKER.partition(': ')[2]}",
    )


def _group(title, chosen, recorder):
    rows = [
        "| option | |",
        "|---|---|",
        *(_row(name, recorder.options[name], recorder.ini) for name in chosen),
    ]
    return [f"## {title}", "\n".join(rows)]


def _row(name, attributes, ini):
    metavar = attributes.get("metavar")
    shown = name
    if metavar:
        shown += f"[={metavar}]" if attributes.get("nargs") == "?" else f"={metavar}"
    shown = shown.replace("|", "\\|")
    text, link = SEE.get(name.removeprefix("--simclock-"), ("", ""))
    more = f"; see [{text}]({link})" if link else ""
    only = "" if name.lstrip("-").replace("-", "_") in ini else "; not in the ini file"
    return f"| `{shown}` | {attributes['help']}{only}{more} |"


# ------------------------------------------------------- fixtures, hooks, errors


def fixtures_page():
    """Return the page of the fixtures of the plugin."""
    parts = []
    for name in plugin.__all__:
        fixture = getattr(plugin, name)
        function = getattr(fixture, "_get_wrapped_function", None)
        if function is not None:
            returned = function().__annotations__["return"]
            if returned.startswith("Iterator["):
                returned = returned.removeprefix("Iterator[").removesuffix("]")
            parts += [f"## `{name}`", f"Of function scope; a `{returned}`.", markdown(function())]
    return page(
        "Fixtures",
        "A test that takes one is simulated, without a marker."
        " [The pytest plugin](pytest.md) says more of them.",
        *parts,
    )


def hooks_page():
    """Return the page of the hooks, in the order of their specifications."""
    parts = []
    for name, thing in vars(hookspecs).items():
        if name.startswith("simclock_") and inspect.isfunction(thing):
            parts += [f"## `{name}`", names.code(names.signature(name, thing)), markdown(thing)]
    return page(
        "Hooks",
        markdown(hookspecs),
        "[How to write a plugin](../how-to/write-a-plugin.md) has examples.",
        *parts,
    )


def errors_page():
    """Return the page of every error: simclock's own, and those of the systems."""
    parts = []
    for module in sorted(names.public_modules(), key=lambda module: module is not errors):
        found = [
            (name, thing)
            for name, thing in ((name, getattr(module, name)) for name in module.__all__)
            if inspect.isclass(thing)
            and issubclass(thing, BaseException)
            and (module is errors or thing.__module__.startswith(module.__name__ + "."))
            and not (module.__name__ == "simclock" and hasattr(errors, name))
        ]
        if found:
            parts += [f"## Of `{module.__name__}`", *_errors(found)]
    return page(
        "Errors",
        "The text of an error of simclock's own says what happened, then the evidence, and in its"
        " last line what to do next, or where to look.",
        *parts,
    )


def _errors(found):
    for name, kind in found:
        yield f"### `{name}`"
        yield names.bases(kind)
        yield markdown(kind)
