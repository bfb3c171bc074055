"""Elements of a type, by their ids and in an order."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import ClassVar, Union
from uuid import UUID, uuid4

import anyio
import pytest

from simclock.systems.eventflow import (
    Element,
    Event,
    ExistsError,
    NotFoundError,
    Pile,
    Progression,
    register_type_prefix,
    restoring,
)


class Thing(Element):
    weight: int = 0


class Small(Thing):
    pass


class Other(Element):
    pass


class Counted(Element):
    made: ClassVar[list[Counted]] = []

    def model_post_init(self, _context):
        self.made.append(self)


@pytest.fixture
def things():
    return [Thing(weight=number) for number in range(6)]


@pytest.fixture
def pile(things):
    return Pile(things, item_type=Thing)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(restoring, "_prefixes", set(restoring._prefixes))
    register_type_prefix(f"{__name__}.")


# ---------------------------------------------------------------------- types


def test_it_takes_one_several_or_none(things):
    assert list(Pile(things[0])) == things[:1]
    assert list(Pile(things)) == list(Pile(Pile(things))) == things
    assert list(Pile()) == list(Pile(None)) == list(Pile([])) == []


@pytest.mark.parametrize("bad", [3, "abc", [3], Other(), [Thing(), Other()]])
def test_what_is_not_of_the_type_is_refused(bad):
    with pytest.raises(TypeError, match=r"these are no items: |the pile takes no "):
        Pile(bad, item_type=Thing)


def test_any_element_unless_a_type_is_given():
    pile = Pile([Thing(), Event(), Progression()])

    assert pile.item_type is None
    with pytest.raises(
        TypeError, match=r"the pile takes no builtins.int\nwhat it takes: any element"
    ):
        pile.add(3)


@pytest.mark.parametrize(
    "types",
    [
        {Thing, Event},
        [Thing, Event],
        Union[Thing, Event],  # noqa: UP007 - users of 3.10 may write it
        Thing | Event,
    ],
)
def test_several_types(types):
    pile = Pile([Small(), Event()], item_type=types)

    assert pile.item_type == {Thing, Event}
    with pytest.raises(
        TypeError, match=r"takes no .*\.Other\nwhat it takes: .*; or a derived type"
    ):
        pile.add(Other())


def test_types_that_are_given_as_a_set_are_in_one_order():
    kinds = {type(name, (Element,), {"__module__": __name__}) for name in "hgfedcba"}
    pile = Pile(item_type=kinds)

    names = [f"{__name__}.{name}" for name in "abcdefgh"]
    assert pile.to_dict()["item_type"] == names
    assert pile[:].to_dict()["item_type"] == names


def test_strict_types():
    pile = Pile([Thing()], item_type=Thing, strict_type=True)

    assert pile.strict_type is True
    for act in (pile.add, pile.update):
        with pytest.raises(TypeError, match=r"takes no .*\.Small\n.*no derived type"):
            act(Small())
    assert len(pile) == 1


@pytest.mark.parametrize("types", [int, 3, [Thing, int], Thing | None])
def test_types_are_of_elements(types):
    with pytest.raises(TypeError, match="items of a pile are elements"):
        Pile(item_type=types)


def test_what_is_in_brackets_is_for_type_checkers():
    class Things(Pile[Thing]):
        pass

    assert Pile[Thing] is Pile
    assert isinstance(Things(), Pile)


# ----------------------------------------------------------------- one by one


def test_add(pile, things):
    new = Thing()
    pile.add(new)

    assert list(pile) == [*things, new]
    with pytest.raises(ExistsError, match=f"in the pile already: {new.id}") as error:
        pile.add(Thing(id=new.id))
    assert error.value.details == {"id": str(new.id)}
    assert list(pile)[-1] is new


def test_an_item_that_is_given_twice_is_refused(things):
    with pytest.raises(ExistsError, match=str(things[0].id)):
        Pile([*things, things[0]])


def test_remove(pile, things):
    assert pile.remove(things[0]) is things[0]
    assert pile.remove(things[2].id) is things[2]
    assert pile.remove(str(things[4].id)) is things[4]

    assert list(pile) == [things[1], things[3], things[5]]
    with pytest.raises(NotFoundError, match=f"not in the pile: {things[0].id}"):
        pile.remove(things[0])


def test_pop_and_get(pile, things):
    assert pile.get(things[1].id) is things[1]
    assert pile.pop(things[1].id) is things[1]
    for act in (pile.get, pile.pop):
        assert act(things[1].id, None) is None
        with pytest.raises(NotFoundError):
            act(things[1].id)
        with pytest.raises(ValueError, match="this is no id: 'nobody'"):
            act("nobody", None)


def test_update_keeps_the_place(pile, things):
    new = Thing(id=things[2].id, weight=100)
    pile.update(new)

    assert [each.weight for each in pile] == [0, 1, 100, 3, 4, 5]
    with pytest.raises(NotFoundError):
        pile.update(Thing())


def test_include_and_exclude_never_raise(pile, things):
    new = Thing()

    assert pile.include(new) is True
    assert pile.include(new) is True
    assert pile.include(Other()) is False
    assert pile.include(3) is False
    assert pile.exclude(new) is True
    assert pile.exclude(new) is True
    assert pile.exclude("nobody") is True
    assert list(pile) == things


def test_clear(pile):
    assert not pile.is_empty()
    pile.clear()

    assert pile.is_empty()
    assert len(pile) == 0
    assert bool(pile) is True


def test_what_is_in_it(pile, things):
    assert things[0] in pile
    assert things[0].id in pile
    assert str(things[0].id) in pile
    assert Thing() not in pile
    assert "nobody" not in pile
    assert pile.keys() == [each.id for each in things]
    assert pile.items() == [(each.id, each) for each in things]
    assert repr(pile) == str(pile) == f"Pile(len=6, id={pile.id})"


# -------------------------------------------------------------------- several


def test_items_are_found_by_ids_and_positions(pile, things):
    assert pile[things[3].id] is pile[str(things[3].id)] is pile[3] is pile[-3] is things[3]
    pile.remove(things[0])
    assert pile[0] is things[1]
    for bad in (5, -6):
        with pytest.raises(NotFoundError, match=f"the pile has no position {bad}: it has 5 items"):
            pile[bad]
    with pytest.raises(NotFoundError):
        pile[uuid4()]


def test_several_make_another_pile(pile, things):
    first, second = things[4], things[1]
    for key in (
        [4, 1],
        (4, -5),
        [first.id, second.id],
        [str(first.id), second],
        Progression(order=[first, second]),
    ):
        found = pile[key]
        assert list(found) == [first, second]
        assert found.item_type == {Thing}
    assert list(pile[1:3]) == things[1:3]
    assert list(pile[::-1]) == things[::-1]
    assert list(pile[lambda each: each.weight > 3]) == things[4:]
    assert list(pile[[]]) == []
    assert list(pile) == things


def test_positions_and_ids_are_not_mixed(pile, things):
    with pytest.raises(TypeError, match="positions and ids are mixed"):
        pile[[0, things[1].id]]


@pytest.mark.parametrize("key", [None, True, 1.5, {1, 2}, b"x"])
def test_other_keys_are_refused(pile, key):
    with pytest.raises(TypeError, match=r"a pile has no such key: .*\ngive an id, a position"):
        pile[key]


def test_filter_by_type():
    thing, small, other = Thing(), Small(), Other()
    pile = Pile([thing, small, other])

    assert list(pile.filter_by_type(Thing)) == [thing, small]
    assert list(pile.filter_by_type([Small, Other])) == [small, other]


def test_its_progression_is_a_copy(pile, things):
    progression = pile.progression
    progression.clear()

    assert pile.progression.order == [each.id for each in things]


def test_the_order_of_the_items_may_be_given(things):
    assert list(Pile(things[:2], order=[things[1], things[0].id])) == [things[1], things[0]]
    assert list(Pile(things[:2], order=Progression(order=things[1::-1]))) == [things[1], things[0]]


# --------------------------------------------------------------- written down


@pytest.mark.parametrize("mode", ["python", "json", "db"])
def test_it_is_written_and_restored_in_its_order(registered, mode):
    pile = Pile([Small(weight=2), Thing(weight=1)], item_type=Thing)
    restored = Pile.from_dict(pile.to_dict(mode=mode))

    assert [type(each) for each in restored] == [Small, Thing]
    assert [each.to_dict() for each in restored] == [each.to_dict() for each in pile]
    assert (restored.id, restored.item_type) == (pile.id, {Thing})
    assert Element.from_json(pile.to_json()).to_json() == pile.to_json()


def test_a_pile_within_an_element_is_written_with_its_items(registered):
    class Box(Element):
        content: Pile[Thing]

    box = Box(content=Pile([Thing(weight=3)]))
    restored = Box.from_json(box.to_json())

    assert [each.weight for each in restored.content] == [3]


def test_all_types_are_looked_at_before_any_is_made(registered):
    written = Pile([Counted(), Other()]).to_dict()
    Counted.made.clear()

    with pytest.raises(TypeError, match=r"the pile takes no .*\.Other"):
        Pile.from_dict(written, item_type=Counted)
    assert Counted.made == []
    with pytest.raises(TypeError, match=r"takes no .*\.Thing"):
        Pile.from_dict(Pile(Thing()).to_dict(), item_type=Element, strict_type=True)
    Pile.from_dict(written)
    assert len(Counted.made) == 1


def test_types_that_are_at_hand_need_no_leave():
    written = Pile([Thing(weight=3)]).to_dict()

    assert [each.weight for each in Pile.from_dict(written, item_type=Thing)] == [3]
    with pytest.raises(ValueError, match="may not be restored"):
        Pile.from_dict(written)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_a_copy_is_changed_alone(copied, things):
    pile = Pile(things[:1], item_type=Thing)
    other = copied(pile)
    other.add(things[1])

    assert (len(pile), len(other)) == (1, 2)
    with pytest.raises(TypeError):
        other.add(Other())


# ------------------------------------------------------------ threads and tasks


@pytest.mark.simclock
@pytest.mark.anyio
async def test_tasks_may_keep_each_other_out(note, pile):
    async def hold(name):
        async with pile as held:
            assert held is pile
            note(name)
            await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        group.start_soon(hold, "one")
        group.start_soon(hold, "other")
        await anyio.sleep(0.5)
        # Methods are not kept out.
        pile.clear()
        note("cleared")

    assert sorted(instant for instant, _ in note.log) == [0, 0.5, 1]


@pytest.mark.simclock(runs=50)
def test_threads_add_and_remove_at_the_same_time(sim):
    pile = Pile()
    given = [[Element(id=UUID(int=10 * thread + n)) for n in range(3)] for thread in range(3)]
    twice, seen = Element(id=UUID(int=99)), []

    def work(mine):
        for each in mine:
            pile.add(each)
        pile.remove(mine[0])
        try:
            pile.add(twice)
        except ExistsError:
            seen.append("twice")

    threads = [threading.Thread(target=work, args=(mine,)) for mine in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == ["twice", "twice"]
    assert set(pile) == {twice, *(each for mine in given for each in mine[1:])}
