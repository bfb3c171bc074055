"""Checkpoints at lines and instructions by ``sys.monitoring``, from Python 3.12 on.

Its events are set in each code object alone, so that no other code gets slower,
and beside those of debuggers and coverage, who have theirs. The event comes at
each pass, the first one too: nothing is adapted while it is set.
"""

from __future__ import annotations

import gc
import sys
import weakref
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from simclock._boundary import rows
from simclock._boundary.lines import LINE, OPCODE, Offers, stack
from simclock._boundary.state import FROZEN_BY_PYTHON
from simclock.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simclock._boundary.overlays import Overlay
    from simclock._core.kernel import Kernel

_monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
_events: Any = _monitoring.events
# What is set in code, besides what is called back for, so that the same comes whatever other tools
# do: CPython 3.13 leaves out the line of a function of one line unless somebody has its start set,
# and instructions go missing where another tool lets itself not be told of a line any more.
_SET = {
    LINE: _events.LINE | _events.JUMP | _events.PY_START,
    OPCODE: _events.INSTRUCTION | _events.LINE | _events.PY_START,
}
_CALLED_BACK = (_events.LINE, _events.JUMP, _events.INSTRUCTION)
# First those that have no purpose of their own; the others are for profilers, optimizers,
# debuggers and coverage.
_TOOL_IDS = (4, 3, 2, 5, 0, 1)
# By module, for the next run of a search: its dictionary's id and count of references, its code.
_known: dict[str, tuple[int, int, list[weakref.ref[CodeType]]]] = {}


class Monitoring:
    """What `simclock._boundary.lines.Checkpoints` asks for."""

    def __init__(self, kernel: Kernel, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._offers = Offers(kernel)
        self._offer_line = self._offers.offering(LINE)
        self._offer_opcode = self._offers.offering(OPCODE)
        self._tool: int | None = None
        # By id. Kept: that is the id of one object only as long as this lives.
        self._code: dict[int, tuple[CodeType, str]] = {}
        # Ids of code whose lines are wanted.
        self._by_line: set[int] = set()
        # By code's id and offset: whether this jump repeats its line.
        self._repeats: dict[tuple[int, int], bool] = {}
        for name in labels:
            if rows.loaded(name):
                self._find(name)

    def watch(self, overlay: Overlay) -> None:
        """Reach modules too that are imported while the simulation is open."""
        for name in self._labels:
            if not rows.loaded(name):
                overlay.when_loaded(name, self._add)

    def start(self) -> None:
        """Offer checkpoints from now on."""
        self._offers.open(frame for frame in stack() if id(frame.f_code) in self._code)
        self._tool = _take_tool()
        for event, callback in zip(
            _CALLED_BACK, (self._at_line, self._at_jump, self._at_instruction), strict=True
        ):
            _monitoring.register_callback(self._tool, event, callback)
        self._set(_SET)

    def stop(self) -> None:
        """Undo `start`."""
        tool = self._tool
        self._set({LINE: 0, OPCODE: 0})
        self._tool = None
        for event in _CALLED_BACK:
            _monitoring.register_callback(tool, event, None)
        _monitoring.free_tool_id(tool)
        self._offers.close()

    def _at_line(
        self, code: CodeType, _line: int
    ) -> None:  # pragma: no cover - callbacks are not traced
        if id(code) in self._by_line:
            self._offer_line(sys._getframe(1))

    def _at_jump(  # pragma: no cover - callbacks are not traced
        self, code: CodeType, offset: int, destination: int
    ) -> None:
        """Offer a checkpoint at each pass of a loop in one line, which is told of once only."""
        place = id(code), offset
        repeats = self._repeats.get(place)
        if repeats is None:
            repeats = destination < offset and _line(code, offset) == _line(code, destination)
            self._repeats[place] = repeats
        if repeats:
            self._offer_line(sys._getframe(1))

    def _at_instruction(
        self, _code: CodeType, _offset: int
    ) -> None:  # pragma: no cover - callbacks are not traced
        self._offer_opcode(sys._getframe(1))

    def _find(self, name: str) -> None:
        label = self._labels[name]
        for code in _with_nested(_code_of(name)):
            self._code[id(code)] = code, label
            if label == LINE:
                self._by_line.add(id(code))

    def _add(self, module: ModuleType) -> None:
        """Reach a module that was imported just now."""
        self._find(module.__name__)
        self._set(_SET)

    def _set(self, events: Mapping[str, int]) -> None:
        for code, label in self._code.values():
            _monitoring.set_local_events(self._tool, code, events[label])


def _take_tool() -> int:
    for tool in _TOOL_IDS:
        if _monitoring.get_tool(tool) is None:
            _monitoring.use_tool_id(tool, "simclock")
            return tool
    raise Unsupported(
        "all six tools of sys.monitoring are in use: "
        f"{', '.join(str(_monitoring.get_tool(tool)) for tool in range(6))}\n"
        "end one of them, or simulate without lines= and opcodes="
    )


def _code_of(name: str) -> list[CodeType]:
    """Return the code of a module's functions, and what else of it is running in this thread."""
    module: dict[str, Any] = vars(sys.modules[name])
    running = [frame.f_code for frame in stack() if frame.f_globals is module]
    return running + _code_of_functions(name, module)


def _code_of_functions(name: str, module: dict[str, Any]) -> list[CodeType]:
    """Return the code of all functions that have these globals, wherever they are kept.

    That is a look at every object there is, some milliseconds. It is spared
    where neither the number of functions, each of which has a reference to its
    globals, nor the code that was found before has changed.
    """
    references = sys.getrefcount(module)
    identity, counted, known = _known.get(name, (0, 0, []))
    code = [each for each in (reference() for reference in known) if each is not None]
    if (identity, counted, len(code)) == (id(module), references, len(known)):
        return code
    code = [function.__code__ for function in _functions(module)]
    _known[name] = id(module), references, [weakref.ref(each) for each in code]
    return code


def _functions(module: dict[str, Any]) -> Iterable[FunctionType]:
    # The collector does not show what is frozen: by a simulation around this one, or a program.
    frozen = gc.get_freeze_count() >= FROZEN_BY_PYTHON
    if frozen:
        gc.unfreeze()
    try:
        referrers = gc.get_referrers(module)
    finally:
        if frozen:
            gc.freeze()
    return [each for each in referrers if type(each) is FunctionType and each.__globals__ is module]


def _with_nested(codes: Iterable[CodeType]) -> Iterator[CodeType]:
    """Yield *codes* and those of the functions, classes and comprehensions inside of them."""
    for code in codes:
        yield code
        yield from _with_nested(each for each in code.co_consts if isinstance(each, CodeType))


def _line(code: CodeType, offset: int) -> int | None:  # pragma: no cover - callbacks are not traced
    return next((line for start, end, line in code.co_lines() if start <= offset < end), None)
