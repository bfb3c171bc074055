"""Who may import whom, and what each module may be: read from the source, nothing is imported."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import simclock

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = {"simclock": ROOT / "src" / "simclock", "pytest_simclock": ROOT / "pytest_simclock"}

# What a unit (a top-level module or package of ``simclock``) may import besides itself,
# ``errors``, ``_deprecation`` and the standard library: units by their name, other distributions by theirs.
# ``simclock`` is the public face, ``simclock/__init__.py``. A unit that is not here fails
# the test: say first where it belongs.
TABLE: dict[str, set[str]] = {
    "errors": set(),
    "_deprecation": set(),
    "predicates": {"flavours"},
    "faults": set(),
    "_core": set(),
    "_boundary": {"_core", "time_machine", "freezegun"},
    "_strategies": {"_core"},
    "_processes": {"_core", "_boundary"},
    "lowlevel": {"_core", "_boundary", "_processes"},
    "hookspecs": {"pluggy"},
    "registry": {"hookspecs", "pluggy"},
    "flavours": {"registry", "lowlevel", "hookspecs", "trio"},
    "plugins": {
        "_core", "_boundary", "_processes", "_strategies", "flavours", "registry", "hookspecs",
        "lowlevel",
    },
    "hosts": {"_core", "_boundary"},
    "network": {"_boundary"},
    "_faults": {"_core", "_boundary", "faults", "flavours"},
    "simulation": {
        "_core", "_boundary", "_strategies", "flavours", "hookspecs", "lowlevel", "network",
        "plugins", "predicates", "hosts", "faults", "_faults", "_processes",
    },
    "_lazy": set(),
    "simclock": {
        "_core", "_lazy", "_strategies", "flavours", "hookspecs", "registry", "simulation",
        "_explore", "_report", "hosts", "network", "faults", "_faults",
    },
    "__main__": {"simclock", "_boundary"},
    "_explain": {"_core"},
    "_explore": {"simulation", "_strategies", "_core", "_explain", "registry", "predicates", "_faults"},
    "_report": {"simulation", "_strategies", "_core"},
    "harness": {"simulation", "_core", "_boundary"},
    "testing": {"simclock", "flavours", "pytest"},
    "searching": {"_core", "_explore"},
    "hypothesis": {"simclock", "searching", "simulation", "hypothesis", "_faults"},
}  # fmt: skip

# The systems are ordinary programs: any distribution, but nothing of the simulator.
UNITS_WITHOUT_SIMULATOR = {"systems"}
# But for this, through which they find flavours; it and what it is made of know no simulator.
SYSTEMS_FACE = "simclock.flavours"
WITHOUT_SIMULATOR = {
    "simclock.flavours",
    "simclock.flavours.contract",
    "simclock.flavours.finding",
    "simclock.flavours.loops",
    "simclock.flavours.sites",
    "simclock.flavours.asyncio",
    "simclock.flavours.threading",
    "simclock.flavours.trio",
    "simclock.registry",
    "simclock.hookspecs",
    "simclock.errors",
    "simclock._deprecation",
    "simclock.predicates",
    "simclock.faults",
    "simclock._lazy",
}
# What the docstrings of hooks speak of, in annotations.
SPECIFIES = "hookspecs"

# Standard library that the kernel knows nothing about (design, layout of ``_core``).
NOT_IN_THE_KERNEL = {"asyncio", "multiprocessing", "socket", "ssl", "subprocess", "unittest"}

# Modules whose only job is to re-export.
FACES = ("simclock", "simclock.lowlevel", "simclock.searching", "simclock.systems.rates")

CLOCKS = {
    "time": {
        "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
        "process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime",
        "clock_gettime_ns", "gmtime", "localtime", "ctime", "strftime",
    },
    "datetime": {"now", "utcnow", "today"},
}  # fmt: skip


def module_name(path: Path) -> str:
    for package, directory in SOURCES.items():
        if path.is_relative_to(directory):
            parts = path.relative_to(directory).with_suffix("").parts
            return ".".join([package, *(part for part in parts if part != "__init__")])
    raise AssertionError(path)


TREES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8"), str(path))
    for directory in SOURCES.values()
    for path in sorted(directory.rglob("*.py"))
}
# Packages: what ``from . import x`` starts from differs for them.
PACKAGES = {
    module_name(path) for directory in SOURCES.values() for path in directory.rglob("__init__.py")
}


def unit(module: str) -> str:
    """Return the unit that *module* of ``simclock`` belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imported(module: str) -> Iterator[tuple[str, int, ast.stmt]]:
    """Yield ``(full name of a module, line, statement)`` for each import in *module*.

    Imports inside functions and under ``TYPE_CHECKING`` count: they point just as much.
    """
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, node
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = node.level - (module in PACKAGES)
                package = module.rsplit(".", up)[0] if up else module
                base = f"{package}.{base}".rstrip(".")
            for alias in node.names:
                # ``from package import x``: a module of it, or a name in it.
                inner = f"{base}.{alias.name}"
                yield (inner if inner in TREES or inner == NATIVE else base), node.lineno, node


NATIVE = "simclock._boundary._native"


def objections(module: str) -> Iterator[str]:
    """Yield each import in *module* that the table does not allow."""
    own = unit(module)
    for name, line, _ in imported(module):
        top = name.split(".")[0]
        where = f"{module}:{line} imports {name}"
        if top == "simclock":
            if own in UNITS_WITHOUT_SIMULATOR:
                if unit(name) != own and name != SYSTEMS_FACE:
                    yield f"{where}: the systems know nothing of the simulator"
            elif own == SPECIFIES and in_annotations(module, line):
                continue
            elif unit(name) not in {own, "errors", "_deprecation"} | TABLE[own]:
                yield f"{where}: not in the table for {own}"
        elif top in sys.stdlib_module_names:
            if own == "_core" and top in NOT_IN_THE_KERNEL:
                yield f"{where}: the kernel does not know it"
        elif own not in UNITS_WITHOUT_SIMULATOR and top not in TABLE[own]:
            yield f"{where}: not in the table for {own}"


def in_annotations(module: str, line: int) -> bool:
    """Return whether an import is for annotations only."""
    at_start = [statement.lineno for statement in _run_at_import(TREES[module])]
    return line not in at_start


SIMCLOCK = [name for name in TREES if name.split(".")[0] == "simclock"]
PLUGIN = [name for name in TREES if name.split(".")[0] == "pytest_simclock"]


def test_there_is_something_to_check():
    assert "simclock._core.kernel" in TREES
    assert "pytest_simclock.plugin" in TREES


def test_every_unit_has_its_place_in_the_table():
    assert {unit(name) for name in SIMCLOCK} - UNITS_WITHOUT_SIMULATOR <= TABLE.keys()


def test_the_table_points_one_way():
    def below(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        for lower in TABLE.get(name, set()) - {"hypothesis"}:
            below(lower, (*path, name))

    for name in TABLE:
        below(name, ())


@pytest.mark.parametrize("module", SIMCLOCK)
def test_imports_follow_the_table(module):
    assert not list(objections(module))


@pytest.mark.parametrize("module", sorted(WITHOUT_SIMULATOR))
def test_what_systems_may_import_knows_no_simulator(module):
    at_start = set(_run_at_import(TREES[module]))

    for name, line, statement in imported(module):
        if name.split(".")[0] == "simclock" and statement in at_start:
            home = name if name in TREES else name.rpartition(".")[0]
            assert home in {*WITHOUT_SIMULATOR, "simclock"}, f"{module}:{line} imports {name}"


@pytest.mark.parametrize("module", PLUGIN)
def test_the_pytest_plugin_uses_the_public_face_and_lazily(module):
    """Pytest loads the plugin for every suite, also for those that never simulate."""
    at_start = set(_run_at_import(TREES[module]))

    for name, line, statement in imported(module):
        if name.split(".")[0] == "simclock":
            where = f"{module}:{line} imports {name}"
            assert not any(part.startswith("_") for part in name.split(".")), where
            assert statement not in at_start, f"{where} when pytest starts"


def _run_at_import(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements below *node* that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) in {
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        }:
            yield from (inner for other in child.orelse for inner in _run_at_import(other))
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from _run_at_import(child)


# -------------------------------------------------------- one home for every name


def definitions(module: str) -> set[str]:
    """Return the names that *module* defines at its top level, imports excluded."""
    names: set[str] = set()
    for node in TREES[module].body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def exports(face: str) -> list[str]:
    """Return what *face* says it re-exports: ``__all__``, or ``import x as x``."""
    for node in TREES[face].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return [
        alias.name
        for node in TREES[face].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    ]


def sources(face: str) -> dict[str, str]:
    """Return the module that *face* imports each of its names from, now or when it is used."""
    tools = {"__future__", "typing", "simclock._lazy"}
    body = [inner for node in TREES[face].body for inner in getattr(node, "body", [node])]
    return {
        alias.asname or alias.name: node.module or ""
        for node in body
        if isinstance(node, ast.ImportFrom) and node.module not in tools
        for alias in node.names
    }


def test_a_face_loads_each_name_from_where_it_says():
    lazy = simclock.__getattr__.__closure__
    homes = next(cell.cell_contents for cell in lazy if isinstance(cell.cell_contents, dict))

    assert homes == {name: home for name, home in sources("simclock").items() if name in homes}
    assert set(simclock.__all__) == set(sources("simclock"))


EXISTING_FACES = [face for face in FACES if face in TREES]


@pytest.mark.parametrize("face", EXISTING_FACES)
def test_a_face_only_re_exports(face):
    docstring, *rest = TREES[face].body

    assert isinstance(docstring, ast.Expr)
    assert ast.get_docstring(TREES[face])
    for node in rest:
        if _is_lazy(node):
            continue
        is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        assert is_all or isinstance(node, ast.ImportFrom), f"{face}:{node.lineno}"


def _is_lazy(node: ast.stmt) -> bool:
    """Return whether *node* is what a face has for names that are loaded when they are used."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    if ast.unparse(node.test) == "TYPE_CHECKING":
        return all(
            isinstance(inner, ast.ImportFrom) or ast.unparse(inner) == "__version__: str"
            for inner in node.body
        )
    # Type checkers, which do not see it, know that other names are not there.
    return ast.unparse(node.test) == "not TYPE_CHECKING" and all(
        isinstance(inner, ast.Assign) and ast.unparse(inner.targets[0]) == "__getattr__"
        for inner in node.body
    )


@pytest.mark.parametrize("face", EXISTING_FACES)
def test_a_face_takes_each_name_from_its_home(face):
    assert sorted(exports(face)) == sorted(sources(face))
    for name in exports(face):
        home = sources(face)[name]
        assert home in TREES, f"{face} imports {name} from {home}"
        assert name in definitions(home), f"{face}: {home} does not define {name}"


def test_every_public_symbol_has_one_home():
    for face in EXISTING_FACES:
        for name in exports(face):
            homes = [module for module in SIMCLOCK if name in definitions(module)]
            assert len(homes) == 1, f"{face}.{name}: {homes}"


def test_no_public_symbol_has_two_faces():
    for name in {name for face in EXISTING_FACES for name in exports(face)}:
        faces = [face for face in EXISTING_FACES if name in exports(face)]
        assert len(faces) == 1, f"{name}: {faces}"


# ----------------------------------------------------------------- the real clock


def clock_reads(module: str) -> list[str]:
    """Return the places where *module* asks ``time`` or ``datetime`` what time it is.

    Naming a clock (to redirect it, to hand it on) is not reading it; calling one is,
    and so is importing one by name into the kernel.
    """
    found = []
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value).lstrip("_").split(".")[0]
            owner = "datetime" if owner == "date" else owner
            if node.func.attr in CLOCKS.get(owner, ()):
                found.append(f"{module}:{node.lineno} {ast.unparse(node.func)}")
        elif isinstance(node, ast.ImportFrom) and node.module in CLOCKS:
            found += [
                f"{module}:{node.lineno} from {node.module} import {alias.name}"
                for alias in node.names
                if alias.name in CLOCKS[node.module]
            ]
    return found


def test_the_kernel_reads_the_real_clock_in_one_module_only():
    # The systems are ordinary programs and call time.* directly.
    readers = {
        name: reads
        for name in SIMCLOCK
        if unit(name) not in UNITS_WITHOUT_SIMULATOR
        and name not in {*WITHOUT_SIMULATOR, "simclock.testing"}
        and (reads := clock_reads(name))
    }

    assert len(readers) <= 1, readers


def test_at_most_one_module_of_the_kernel_imports_a_clock():
    importers = {
        module
        for module in SIMCLOCK
        if unit(module) == "_core" and {"time"} & {name for name, _, _ in imported(module)}
    }

    assert len(importers) <= 1, importers


# ---------------------------------------------- the checks themselves can fail


@pytest.fixture
def source(monkeypatch):
    """Return a function that puts a made-up module into the tree."""

    def put(module: str, text: str) -> str:
        monkeypatch.setitem(TREES, module, ast.parse(text))
        return module

    return put


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("simclock._core.made_up", "import pluggy"),
        ("simclock._core.made_up", "import asyncio"),
        ("simclock._core.made_up", "from simclock._boundary import rows"),
        ("simclock._core.made_up", "from .._boundary import rows"),
        ("simclock._core.made_up", "def later():\n    import simclock"),
        ("simclock._boundary.made_up", "from simclock.simulation import Simulation"),
        ("simclock._boundary.made_up", "from simclock import Simulation"),
        ("simclock.flavours.made_up", "from simclock._core.kernel import Kernel"),
        ("simclock.systems.made_up", "import simclock"),
    ],
)
def test_a_forbidden_import_is_found(source, module, text):
    assert list(objections(source(module, text)))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("simclock._core.made_up", "import heapq\nfrom simclock.errors import Deadlock"),
        ("simclock._core.made_up", "from . import clock\nfrom .timers import Timers"),
        ("simclock._boundary.made_up", "from simclock._core import kernel\nimport time_machine"),
        ("simclock.systems.made_up", "import redis, asyncio\nfrom simclock.systems import rates"),
    ],
)
def test_an_allowed_import_is_not(source, module, text):
    assert not list(objections(source(module, text)))


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.monotonic()",
        "import time as _time\n_time.perf_counter_ns()",
        "from time import monotonic",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import date\ndate.today()",
    ],
)
def test_a_read_of_the_clock_is_found(source, text):
    assert clock_reads(source("simclock._core.made_up", text))


def test_naming_a_clock_is_not_reading_it(source):
    text = "import time\nROWS = [time.monotonic]\nfrom datetime import datetime"

    assert not clock_reads(source("simclock._core.made_up", text))
