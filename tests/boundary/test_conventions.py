"""A built-in of any calling convention can be redirected; an unknown one is refused by name."""

from __future__ import annotations

import ctypes
import types

import pytest

import simclock
from simclock._boundary import _native, rows
from simclock._boundary.rows import Row
from simclock.errors import Unsupported

# A slot is for ever, so each is made in a child process. The built-ins are some that nothing
# else needs meanwhile.
PROGRAM = """
import _bisect, _collections, _csv, _heapq, _json, _queue, _struct, os, re, time
import simclock
from simclock._boundary import _native, rows

def replacement(*args, **kwargs):
    return [arg for arg in args if arg is not subject], kwargs

subject = {subject}
with simclock.Simulation():
    pass  # makes the slots of the table: ours comes after them
original = _native.redirect(rows._find({name!r}), replacement, _native.PLAIN)
call = lambda: {call}
before = repr(call())
with simclock.Simulation() as sim:
    inside = call()
    with sim.real_time():
        outside = repr(call())
print(inside)
print(before == outside == repr(call()), _native.redirected())
"""

LETTERS = ", ".join(repr(letter) for letter in "abcdefghij")
CASES = {
    # convention: (built-in, what its method is called on, call, what the replacement gets)
    "NOARGS function": ("posix.getcwd", "0", "os.getcwd()", ([], {})),
    "NOARGS method": (
        "_collections.deque.copy",
        "_collections.deque()",
        "subject.copy()",
        ([], {}),
    ),
    "O function": ("_json.encode_basestring", "0", "_json.encode_basestring('a')", (["a"], {})),
    "O method": (
        "_struct.Struct.unpack",
        "_struct.Struct('b')",
        "subject.unpack(b'a')",
        ([b"a"], {}),
    ),
    "VARARGS function": ("_json.scanstring", "None", "_json.scanstring('a\"', 0)", (['a"', 0], {})),
    "VARARGS method": ("re.Match.group", "re.match('a', 'a')", "subject.group(0, 0)", ([0, 0], {})),
    "VARARGS unpacked": (
        "re.Match.group",
        "re.match('a', 'a')",
        "subject.group(*[0] * 9)",
        ([0] * 9, {}),
    ),
    "KEYWORDS function": (
        "_csv.register_dialect",
        "0",
        "_csv.register_dialect('mine', delimiter=';')",
        (["mine"], {"delimiter": ";"}),
    ),
    "KEYWORDS method": (
        "_collections.OrderedDict.update",
        "_collections.OrderedDict()",
        "subject.update({'a': 1}, b=2)",
        ([{"a": 1}], {"b": 2}),
    ),
    "KEYWORDS method without any": (
        "_collections.OrderedDict.update",
        "_collections.OrderedDict()",
        "subject.update()",
        ([], {}),
    ),
    "FASTCALL function": ("_heapq.heappush", "0", "_heapq.heappush([], 1)", ([[], 1], {})),
    "FASTCALL method": (
        "_struct.Struct.pack",
        "_struct.Struct('bb')",
        "subject.pack(1, 2)",
        ([1, 2], {}),
    ),
    "FASTCALL with many": (
        "_struct.Struct.pack",
        "_struct.Struct('10b')",
        "subject.pack(*range(10))",
        (list(range(10)), {}),
    ),
    "FASTCALL KEYWORDS function": (
        "_bisect.bisect_left",
        "0",
        "_bisect.bisect_left([1], 2, lo=0, hi=1)",
        ([[1], 2], {"lo": 0, "hi": 1}),
    ),
    "FASTCALL KEYWORDS method": (
        "re.Match.expand",
        "re.match('a', 'a')",
        "subject.expand(template='b')",
        ([], {"template": "b"}),
    ),
    "METHOD": (
        "re.Pattern.match",
        "re.compile('a')",
        "subject.match('b', pos=0)",
        (["b"], {"pos": 0}),
    ),
}


@pytest.mark.parametrize(("name", "subject", "call", "got"), CASES.values(), ids=CASES)
def test_a_replacement_gets_what_the_call_says_and_foreign_calls_the_original(
    child, name, subject, call, got
):
    lines = child(PROGRAM.format(name=name, subject=subject, call=call))

    assert lines == [repr(got), "True []"]


HEAD = object.__basicsize__
POINTER = ctypes.sizeof(ctypes.c_void_p)


def flags_of(builtin) -> int:
    plain = isinstance(builtin, types.BuiltinFunctionType)
    place = HEAD if plain else HEAD + 3 * POINTER
    definition = ctypes.c_void_p.from_address(id(builtin) + place).value
    assert definition is not None
    return ctypes.c_int.from_address(definition + 2 * POINTER).value & ~0x70


def test_the_cases_cover_every_convention():
    found = {flags_of(rows._find(name)) for name, *_ in CASES.values()}

    # METH_VARARGS, _KEYWORDS, _NOARGS, _O, _FASTCALL and _METHOD, as they may be combined.
    assert found == {0x1, 0x3, 0x4, 0x8, 0x80, 0x82, 0x282}


@pytest.fixture
def prepared():
    with simclock.Simulation():
        pass


@pytest.mark.usefixtures("prepared")
def test_an_unknown_convention_is_refused_by_name():
    class Definition(ctypes.Structure):
        _fields_ = (
            ("name", ctypes.c_char_p),
            ("function", ctypes.c_void_p),
            ("flags", ctypes.c_int),
            ("doc", ctypes.c_char_p),
        )

    definition = Definition(
        b"newfangled", ctypes.cast(ctypes.pythonapi.Py_GetVersion, ctypes.c_void_p), 4
    )
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.POINTER(Definition), ctypes.c_void_p, ctypes.c_void_p)
    builtin = make(ctypes.byref(definition), None, None)
    definition.flags = 0x1000

    with pytest.raises(
        TypeError,
        match=r"cannot redirect <built-in function newfangled>: unknown calling convention 0x1000",
    ):
        _native.redirect(builtin, print, _native.PLAIN)


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("subject", [len.__call__, test_the_cases_cover_every_convention, int, 1])
def test_what_has_no_method_definition_is_refused_by_name(subject):
    with pytest.raises(
        TypeError, match="neither a built-in function nor a method descriptor"
    ) as found:
        _native.redirect(subject, print, _native.PLAIN)

    assert repr(subject) in str(found.value)


@pytest.mark.usefixtures("prepared")
def test_a_row_that_this_python_lacks_is_refused_by_name():
    before = len(rows.originals)

    with pytest.raises(Unsupported, match=r"cannot redirect _thread\.RLock\.missing of Python 3"):
        rows.redirect([Row("_thread.RLock.missing", "simulated", "", print)])

    assert len(rows.originals) == before


@pytest.mark.usefixtures("prepared")
def test_a_definition_is_redirected_once():
    with pytest.raises(
        Unsupported, match=r"cannot redirect time\.sleep of .* it shares its definition"
    ):
        rows.redirect([Row("time.sleep", "simulated", "", print)])


def test_a_released_slot_is_used_again_and_keeps_nothing(child):
    lines = child("""
        import _heapq, gc, sys
        import simclock
        from simclock._boundary import _native
        def heappush(heap, item):
            heap.append("mine")
        simclock.run(int)
        before = sys.getrefcount(heappush)
        def push():
            heap = []
            with simclock.Simulation():
                _heapq.heappush(heap, 1)
            return heap
        for _ in range(50):
            original = _native.redirect(_heapq.heappush, heappush, _native.PLAIN)
            assert push() == ["mine"]
            _native.release(original)
            assert push() == [1]
        print(sys.getrefcount(heappush) - before)
        _native.release(original)
        with simclock.Simulation():
            try:
                _native.release(original)
            except RuntimeError as error:
                print(error)
    """)

    assert lines == [
        "0",
        "cannot release <built-in function heappush> while a simulation is open",
    ]


@pytest.mark.usefixtures("prepared")
def test_only_an_original_can_be_released():
    with pytest.raises(ValueError, match="not the original of a redirected built-in"):
        _native.release(len)


def test_there_is_room_for_the_table_and_an_overflow_is_named(child):
    lines = child("""
        import _operator, math, posix, types
        import simclock
        from simclock._boundary import _native
        with simclock.Simulation():
            print(len(_native.redirected()) <= 160)
        for subject in [*vars(_operator).values(), *vars(math).values(), *vars(posix).values()]:
            if isinstance(subject, types.BuiltinFunctionType):
                try:
                    _native.redirect(subject, print, _native.PLAIN)
                except ValueError:
                    continue  # it is a row, or shares its definition with another
                except RuntimeError as error:
                    print(str(error).partition(": ")[2])
                    break
    """)

    assert lines == ["True", "all 192 slots are taken"]
