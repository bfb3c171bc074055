"""What lines read and write, found without running any code of the program."""

from __future__ import annotations

import collections
import queue
import sys
import threading
from types import SimpleNamespace

import pytest

from simclock._explain.accesses import _lines, accesses

shared = [1, 2]
number = 0


def accessed(function, *arguments):
    """Run *function* traced; return what each of its lines accesses: text and ``r``, ``w``, ``c``."""
    found = []

    def trace(frame, event, _):
        if frame.f_code.co_filename != __file__:
            return None
        if event == "line":
            line = [
                (each.said, "c" if each.calls else "rw"[each.writes]) for each in accesses(frame)
            ]
            found.append(line)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return found


class Box:
    limit = 3

    def __init__(self):
        self.value = 1
        self.items = []
        self.names = {"a": 1}

    @property
    def calculated(self):
        raise AssertionError("nobody asked for it")


class Slots:
    __slots__ = ("empty", "full")

    def __init__(self):
        self.full = 1


class Odd:
    def __getattr__(self, name):
        raise AssertionError("nobody asked for it")


def attributes(box):
    box.value = box.value + 1
    box.value += 1
    return box.limit


def test_attributes_of_objects():
    assert accessed(attributes, Box()) == [
        [("Box.value", "w"), ("Box.value", "r")],
        [("Box.value", "r"), ("Box.value", "w")],
        [("Box.limit", "r")],
    ]


def methods(box):
    box.items.append(1)
    box.items.count(1)
    box.items.sort(key=lambda each: -each)


def test_methods_of_containers():
    items, found = ("Box.items", "r"), accessed(methods, Box())

    assert found[0] == [("box.items", "w"), items]
    assert found[1] == [("box.items", "r"), items]
    assert found[2][:2] == [("box.items", "w"), items]


def items(box):
    box.items[:] = [0, 1]
    index = 0
    box.items[index + 1] = box.items[index]
    box.items[5 % 2], box.items[1 - 1] = 1, 2
    del box.names["a"]
    box.names[box] = 2


def test_items_have_keys_where_these_are_known():
    begin = items.__code__.co_firstlineno
    box = Box()
    box.items = [0, 1]

    def parts(line, **values):
        found = at(items, begin + line, box=box, **values)
        return [(each.said, each.part, each.writes) for each in found if each.said.endswith("]")]

    assert parts(1) == [("box.items[:]", None, True)]
    assert parts(3, index=0) == [
        ("box.items[index + 1]", 1, True),
        ("box.items[index]", 0, False),
    ]
    assert parts(4) == [("box.items[5 % 2]", 1, True), ("box.items[1 - 1]", 0, True)]
    assert parts(5) == [("box.names['a']", "a", True)]
    assert parts(6) == [("box.names[box]", None, True)]


def keyed(box):
    box.names.pop("a")
    box.names.get("a")
    box.names.setdefault("b", 1)
    box.names.pop(box)
    box.names.update(a=1)
    box.items.pop(0)


def test_methods_of_dictionaries_have_keys_where_these_are_known():
    begin = keyed.__code__.co_firstlineno

    def parts(line):
        found = at(keyed, begin + line, box=Box())
        return [(each.part, each.writes) for each in found if each.said.startswith("box.")]

    assert [parts(line) for line in range(1, 7)] == [
        [("a", True)], [("a", False)], [("b", True)], [(None, True)], [(None, True)], [(None, True)],
    ]  # fmt: skip


def timed(box, other):
    box.items.pop()
    box.items.pop().cancel()
    box.items.append(other())
    (other(), box.items.pop(), other())
    [box.items.pop() for _ in other()]
    [(box.items.pop(), [other() for _ in other()])]
    with box.items.pop():
        pass
    box.names["a"], other().value = box.items.pop(), other
    if box.items.pop():
        other()


def test_when_a_line_does_what_it_does():
    begin = timed.__code__.co_firstlineno

    def done(line):
        found = at(timed, begin + line, box=Box(), other=None)
        return [each.done for each in found if each.said == "box.items"]

    assert [done(line) for line in (1, 2, 3, 4, 5, 6, 7, 9, 10)] == [
        ["last"], ["first"], ["last"], ["amid"], ["amid"], ["first"], ["first"], ["first"], ["last"],
    ]  # fmt: skip


def looks(box):
    for _ in box.items:
        pass
    len(box.items)
    if not box.items:
        pass
    1 in box.items  # noqa: B015
    while box.items:
        break
    [each for each in box.items]  # noqa: C416


def test_looks_at_what_a_container_has():
    found = accessed(looks, Box())

    assert all(("box.items", "r") in line for line in found if line)
    assert sum(("box.items", "r") in line for line in found) >= 6


def variables():
    global number  # noqa: PLW0603
    number = number + 1
    own = number
    shared.append(own)
    return own


def test_variables_of_modules_and_not_a_functions_own():
    assert accessed(variables) == [
        [("number", "w"), ("number", "r")],
        [("number", "r")],
        [("shared", "w"), ("shared", "r")],
        [],
    ]
    del shared[2:]


def test_variables_that_functions_share():
    count = 0

    def add():
        nonlocal count
        count += 1

    def call(function):
        function()

    assert accessed(call, add) == [[], [("count", "r"), ("count", "w")]]
    assert count == 1


def tell(changed, orders, plain):
    changed.notify()
    orders.put(1)
    plain.acquire()
    (lambda: orders.get())()  # noqa: PLC3002, PLW0108


def test_calls_of_what_threads_tell_each_other_with():
    changed, orders = threading.Condition(), queue.Queue()
    with changed:
        found = accessed(tell, changed, orders, threading.Lock())

    orders_read = ("orders", "r")  # a variable that the inner function has, too
    # Locks are the kernel's to tell. What is in a function of its own is that one's.
    assert found == [
        [("changed.notify()", "c")],
        [("orders.put()", "c"), orders_read],
        [],
        [],
        [("orders.get()", "c"), orders_read],
    ]


def strange(slots, odd, box, text):
    slots.full = slots.empty
    odd.missing  # noqa: B018
    box.calculated  # noqa: B018
    text[0]
    text.missing[0].other  # noqa: B018
    box.names["b"].missing  # noqa: B018
    box.items[9].missing  # noqa: B018
    (box.value * 2).missing  # noqa: B018
    (box.value % 0).missing  # noqa: B018
    (text + text).missing  # noqa: B018
    slots.empty.missing  # noqa: B018
    box()(1)


def test_nothing_of_the_program_is_called():
    """No property, no ``__getattr__``; what is not there is not known."""
    values = {"slots": Slots(), "odd": Odd(), "box": Box(), "text": "text"}
    begin = strange.__code__.co_firstlineno

    found = [[each.said for each in at(strange, begin + n, **values)] for n in range(1, 13)]

    assert found == [
        ["Slots.full"],
        [],
        [],
        [],
        [],
        ["box.names['b']", "Box.names"],
        ["box.items[9]", "Box.items"],
        ["Box.value"],
        ["Box.value"],
        [],
        [],
        [],
    ]


class Unfriendly:
    def __getattribute__(self, name):
        raise RuntimeError("not even that")


def test_objects_that_refuse_to_be_looked_at():
    begin = attributes.__code__.co_firstlineno

    found = at(attributes, begin + 3, box=Unfriendly())

    assert [each.said for each in found] == []


class Lazy:
    """A proxy: it even lies about its class."""

    @property
    def __class__(self):
        raise AssertionError("nobody asked for it")


def test_a_proxy_is_not_asked_what_it_stands_for():
    lazy, box = Lazy(), Box()
    box.value = box.items = lazy
    begins = {
        function: function.__code__.co_firstlineno for function in (attributes, methods, looks)
    }

    found = [
        each.said for function, begin in begins.items() for n in (1, 2, 3)
        for each in at(function, begin + n, box=box)
    ]  # fmt: skip

    assert "Box.value" in found


def at(function, line, **values):
    """Return what a line would access with these values, without running it."""

    class Frame:
        f_code = function.__code__
        f_lineno = line
        f_locals = values
        f_globals = function.__globals__

    return list(accesses(Frame()))


@pytest.mark.parametrize("text", ["def broken(:\n", ""])
def test_a_file_without_source(tmp_path, text):
    path = tmp_path / "gone.py"
    path.write_text(text)

    code = compile("x = 1", str(path), "exec")
    frame = SimpleNamespace(f_code=code, f_lineno=1, f_locals={}, f_globals={"x": 1})

    assert list(accesses(frame)) == []


def test_deques_and_sets_are_containers():
    def change(one, other):
        one.appendleft(1)
        other.discard(1)

    assert accessed(change, collections.deque(), {1}) == [[("one", "w")], [("other", "w")]]


def test_each_kind_of_access_in_one_look():
    """Without a tracer: what is above is run by one, where coverage does not see it."""
    _lines.cache_clear()
    box, begins = Box(), {}
    for function in (attributes, methods, items, looks, tell, variables, strange):
        begins[function] = function.__code__.co_firstlineno
    values = {"box": box, "index": 0, "changed": threading.Condition(), "orders": queue.Queue()}
    values |= {"plain": threading.Lock(), "slots": Slots(), "odd": Odd(), "text": "text"}

    def found(function, lines):
        frame_values = dict(values.items())
        return [
            (each.said, each.writes, each.calls)
            for n in lines
            for each in at(function, begins[function] + n, **frame_values)
        ]

    assert found(attributes, [2]) == [("Box.value", False, False), ("Box.value", True, False)]
    assert found(methods, [1, 2])[::2] == [("box.items", True, False), ("box.items", False, False)]
    assert ("box.items", False, False) in found(looks, [1])
    assert ("box.items", False, False) in found(looks, [4, 6, 7, 9])
    assert found(tell, [1]) == [("changed.notify()", True, True)]
    assert found(tell, [3]) == []
    assert ("number", True, False) in found(variables, [2])
    assert found(strange, [5]) == []


def test_what_a_lambda_does_is_not_what_its_line_does():
    class Frame:
        f_code = (lambda box: box.value).__code__
        f_lineno = f_code.co_firstlineno
        f_locals = {"box": Box()}  # noqa: RUF012
        f_globals = globals()

    assert [each.said for each in accesses(Frame())] == ["Box.value"]


def test_variables_that_functions_share_are_known_by_their_file():
    shared_by_two = []

    def inner():
        return shared_by_two

    class Frame:
        f_code = inner.__code__
        f_lineno = f_code.co_firstlineno + 1
        f_locals = {"shared_by_two": shared_by_two}  # noqa: RUF012
        f_globals = globals()

    found = list(accesses(Frame()))

    assert [(each.owner, each.part) for each in found] == [(__file__, "shared_by_two")]


def test_slots_that_refuse():
    begin = strange.__code__.co_firstlineno

    assert [each.said for each in at(strange, begin + 1, slots=Slots())] == ["Slots.full"]
    assert at(strange, begin + 11, slots=Slots()) == []
