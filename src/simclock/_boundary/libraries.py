"""Libraries that wait in C by themselves, and what is loaded while a simulation is open.

A simulated thread that waited in one of these would keep its turn, and nobody
could tell why everything stands still. So its call is refused, by name.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from types import BuiltinFunctionType, MethodDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from simclock._boundary import _native, databases, overlays, rows
from simclock._boundary.active import kernel, kernels
from simclock._boundary.held import announce, refuse
from simclock._boundary.rows import Row, originals
from simclock._core import report
from simclock.errors import Escape, PluginError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from simclock._core.kernel import Kernel
    from simclock._core.threads import SimThread


class Library(NamedTuple):
    """What waits in C in one library.

    Attributes:
        package: The top-level name.
        guards: Functions and methods that would wait, each as ``module:name``
            or ``module:class.name``. Those that a version does not have are left out.
        remedy: What to use instead, for the reader of an error.
        instead: A function beside the guarded one that waits in Python, and is
            called instead.
        unless: A function beside the guarded one that says, by not returning
            None, that this waits in Python.
        switches: Whether its calls go on on another stack, and come back on it.
    """

    package: str
    guards: tuple[str, ...]
    remedy: str = ""
    instead: str = ""
    unless: str = ""
    switches: bool = False


LIBRARIES = (
    Library(
        "uvloop",
        ("uvloop:Loop.run_forever", "uvloop:Loop.run_until_complete"),
        "use the stock asyncio loop, without uvloop's policy or loop factory",
    ),
    Library("gevent", ("gevent.hub:Hub.switch",), switches=True),
    Library("psycopg", ("psycopg.waiting:wait",), instead="wait_selector"),
    Library(
        "psycopg2",
        (
            "psycopg2._psycopg:_connect",
            "psycopg2._psycopg:cursor.execute",
            "psycopg2._psycopg:cursor.executemany",
            "psycopg2._psycopg:cursor.callproc",
            "psycopg2._psycopg:cursor.copy_from",
            "psycopg2._psycopg:cursor.copy_to",
            "psycopg2._psycopg:cursor.copy_expert",
            "psycopg2._psycopg:connection.commit",
            "psycopg2._psycopg:connection.rollback",
            "psycopg2._psycopg:connection.reset",
        ),
        "let it wait in Python: psycopg2.extensions.set_wait_callback(psycopg2.extras.wait_select)",
        unless="get_wait_callback",
    ),
    Library(
        "grpc",
        (
            "grpc._channel:Channel.__init__",
            "grpc._channel:_UnaryUnaryMultiCallable._blocking",
            "grpc._channel:_UnaryUnaryMultiCallable.future",
            "grpc._channel:_SingleThreadedUnaryStreamMultiCallable.__call__",
            "grpc._channel:_UnaryStreamMultiCallable.__call__",
            "grpc._channel:_StreamUnaryMultiCallable._blocking",
            "grpc._channel:_StreamUnaryMultiCallable.future",
            "grpc._channel:_StreamStreamMultiCallable.__call__",
            "grpc._server:_Server.__init__",
            "grpc.aio._channel:Channel.__init__",
            "grpc.aio._server:Server.__init__",
        ),
    ),
)
# As they are called besides by their top-level name.
_PARTS = {"psycopg_binary": "psycopg", "psycopg_c": "psycopg"}


def _by_module() -> dict[str, list[tuple[Library, str]]]:
    found: dict[str, list[tuple[Library, str]]] = {}
    for library in LIBRARIES:
        for guard in library.guards:
            module, _, path = guard.partition(":")
            found.setdefault(module, []).append((library, path))
    return found


# What is to be guarded in each module, and for which library.
_GUARDS = _by_module()
_MISSING = object()
# Guards that stand, to be taken down: owner, name, what was there.
_standing: list[tuple[Any, str, Any]] = []
# Those of the modules that are not loaded yet.
_waiting: dict[str, list[tuple[Library, str]]] = {}
# By name: what built-ins were redirected to. The redirection is switched off with all others.
_redirections: dict[str, Callable[..., Any]] = {}
_depth = 0


# ------------------------------------------------------------------ putting guards up


def start() -> None:
    """Put guards up in the modules that are loaded; a simulation is being opened."""
    global _depth  # noqa: PLW0603
    _depth += 1
    if _depth == 1:
        _waiting.update(_GUARDS)
    _guard_loaded()


def stop() -> None:
    """Undo `start`: take them down after the last simulation."""
    global _depth  # noqa: PLW0603
    _depth -= 1
    if _depth:
        return
    _waiting.clear()
    while _standing:
        owner, name, before = _standing.pop()
        if before is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _guard_loaded() -> None:
    # Few are loaded, if any: at each opening this must take next to no time.
    for module in _waiting.keys() & sys.modules.keys():
        if rows.loaded(module):
            for library, path in _waiting.pop(module):
                _guard(library, sys.modules[module], path)


def _guard(library: Library, module: Any, path: str) -> None:
    owner = module
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent, None)
    function = getattr(owner, name, None)
    if function is None:
        return  # another version of the library: then the watchdog names it
    call = _Call(
        library,
        f"{module.__name__}.{path}",
        function,
        getattr(module, library.instead or "", None),
        getattr(module, library.unless or "", None),
    )
    if isinstance(function, (BuiltinFunctionType, MethodDescriptorType)):
        _redirect(call)
    else:
        _standing.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, _guarded(call))


class _Call(NamedTuple):
    """What is guarded."""

    library: Library
    what: str
    function: Callable[..., Any]
    instead: Callable[..., Any] | None
    unless: Callable[[], Any] | None


def _guarded(call: _Call) -> Callable[..., Any]:
    function = call.function

    @functools.wraps(function)
    def guard(*args: Any, **kwargs: Any) -> Any:
        if _native.simulated():
            return _decide(call, args, kwargs)
        return function(*args, **kwargs)

    return guard


def _redirect(call: _Call) -> None:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return _native.call_user(_decide, call._replace(function=original), args, kwargs)

    builtin = call.function
    redirection = _redirections.setdefault(call.what, replacement)
    # Unless a plugin has done it already.
    with contextlib.suppress(RuntimeError, TypeError, ValueError):
        original = _native.redirect(builtin, redirection, _native.PLAIN)


def _decide(call: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if call.library.package in _real_packages(kernel()):
        return _in_real_time(call.library, call.what, call.function, args, kwargs)
    if call.unless is not None and call.unless() is not None:
        return call.function(*args, **kwargs)
    if call.instead is not None:
        return call.instead(*args, **kwargs)
    return _native.call_kernel(_refuse, call.library, call.what)


def _in_real_time(
    library: Library,
    what: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a library in real time; this frame says so where the library, in C, has none.

    Unlike in a block of ``real_time()`` the watchdog goes on watching.
    """
    simulation = kernel()
    _native.call_kernel(announce, simulation, what)
    baton = _native.current()
    if library.switches or baton is None:
        return function(*args, **kwargs)
    try:
        _native.leave()  # in here: an interrupt may be raised as soon as it returns
        return function(*args, **kwargs)
    finally:
        if simulation in kernels:  # else this is a forked child, where there is none
            _native.resume(baton)


def _refuse(library: Library, what: str) -> NoReturn:
    refuse(Escape(report.refused_call(kernel(), what, remedies(library))))


def remedies(library: Library) -> list[str]:
    """Return what to do about a wait in *library*, for an error."""
    package = library.package
    lines = [
        *([library.remedy] if library.remedy else []),
        "run it in real time: `with sim.real_time(): ...` or @pytest.mark.simclock(False)",
        (
            f'let it hold the clock: Simulation(real_packages=("{package}",)), '
            f"or simclock_real_packages = {package} in the ini file"
        ),
    ]
    return [lines[0], *(f"or {line}" for line in lines[1:])]


# -------------------------------------------------------------- packages in real time


def real_package(packages: frozenset[str]) -> str:
    """Return which of *packages* the calling thread is inside, or nothing."""
    return next((name for name in _packages(sys._getframe(1)) if name in packages), "")


def stuck_in(kernel: Kernel, owner: SimThread) -> tuple[str, list[str]]:
    """Return the package in whose call *owner* is stuck in C, and what to do about that.

    Both are empty if it is unknown.
    """
    listed = _real_packages(kernel)
    called = report.c_call(owner).partition(".")[0]
    for name in (called, *_packages(sys._current_frames().get(owner.ident))):
        if name in listed:
            return name, ["end the call, or give a longer watchdog="]
        library = next((each for each in LIBRARIES if each.package == name), None)
        if library is not None:
            return name, remedies(library)
    return "", []


def _real_packages(kernel: Kernel) -> frozenset[str]:
    port: Any = kernel.port
    packages: frozenset[str] = port.real_packages
    return packages


def _packages(frame: FrameType | None) -> Iterator[str]:
    """Yield the top-level name of each frame's module, innermost first."""
    while frame is not None:
        if frame.f_code is _in_real_time.__code__:
            yield frame.f_locals["library"].package
        else:
            name = str(frame.f_globals.get("__name__")).partition(".")[0]
            yield _PARTS.get(name, name)
        frame = frame.f_back


# --------------------------------------------------------- what is loaded meanwhile


def _release_lock() -> None:
    """Release the import lock: the last thing that each import of a new module does."""
    originals["_imp.release_lock"]()
    try:
        rows.redirect_loaded()
        overlays.apply_loaded()
    except (Unsupported, PluginError) as error:
        kernel().fail(error)
    _guard_loaded()
    databases.start()


ROWS = [
    Row(
        "_imp.release_lock",
        "simulated",
        "the original; what waits for the module that was imported is redirected then",
        _release_lock,
    ),
]
