"""Items, and named progressions that have nothing else."""

from __future__ import annotations

import copy
import pickle
import threading
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from simclock.systems.eventflow import (
    Element,
    Event,
    EventStatus,
    ExistsError,
    Flow,
    NotFoundError,
    Pile,
    Progression,
    register_type_prefix,
    restoring,
)


class Thing(Element):
    pass


class Small(Thing):
    pass


@pytest.fixture
def things():
    return [Thing() for _ in range(3)]


@pytest.fixture
def flow(things):
    flow = Flow(things, [Progression(name="a", order=things[:2]), Progression(name="b")])
    yield flow
    flow._check()


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(restoring, "_prefixes", set(restoring._prefixes))
    register_type_prefix(f"{__name__}.")


def orders(flow):
    return {each.name: each.order for each in flow.progressions}


def test_a_flow_is_empty_at_first():
    flow = Flow(name="line")

    assert (flow.name, len(flow.items), len(flow.progressions)) == ("line", 0, 0)
    assert Flow[Thing, Progression] is Flow


def test_a_progression_is_found_by_name_id_and_itself(flow):
    first = flow.progressions[0]

    for key in ("a", first.id, str(first.id), first):
        assert flow.get_progression(key) is first


def test_a_name_that_looks_like_an_id_is_a_name_first(flow):
    other = flow.get_progression("b")
    named = Progression(name=str(other.id))
    flow.add_progression(named)

    assert flow.get_progression(str(other.id)) is named
    assert flow.get_progression(other.id) is other


def test_names_are_unique(flow, things):
    with pytest.raises(ExistsError, match="the flow has a progression of this name: 'a'"):
        flow.add_progression(Progression(name="a"))
    with pytest.raises(ExistsError, match="of this name: 'a'"):
        Flow(things, [Progression(name="a"), Progression(name="a")])
    with pytest.raises(ExistsError, match="in the pile already"):
        flow.add_progression(Progression(id=flow.progressions[0].id, name="c"))
    # Nothing of it is kept.
    with pytest.raises(NotFoundError):
        flow.get_progression("c")
    flow.add_progression(Progression())
    flow.add_progression(Progression())
    assert len(flow.progressions) == 4


def test_progressions_have_ids_of_items_only(flow):
    lost = uuid4()

    with pytest.raises(
        NotFoundError, match=f"'c' has ids that are of no item: {lost}\nadd the items"
    ):
        flow.add_progression(Progression(name="c", order=[lost]))
    with pytest.raises(NotFoundError, match="of no item"):
        Flow(progressions=[Progression(order=[lost])])
    assert len(flow.progressions) == 2


@pytest.mark.parametrize("bad", [Thing(), "a", 3])
def test_progressions_are_progressions(flow, bad):
    with pytest.raises(TypeError):
        flow.add_progression(bad)
    with pytest.raises(TypeError):
        Flow(progressions=[bad])
    with pytest.raises(TypeError):
        Flow(progressions=Pile([Thing()]))


def test_remove_progression_leaves_the_items(flow):
    removed = flow.remove_progression("a")

    assert removed.name == "a"
    assert len(flow.items) == 3
    flow.add_progression(Progression(name="a"))
    assert flow.remove_progression(flow.get_progression("a").id).order == []
    with pytest.raises(NotFoundError):
        flow.remove_progression("a")


def test_a_renamed_progression_is_found_by_its_new_name(flow):
    renamed = flow.get_progression("a")
    renamed.name = "c"
    added = Progression(name="d")
    flow.progressions.add(added)

    assert flow.get_progression("c") is renamed
    assert flow.get_progression("d") is added
    with pytest.raises(NotFoundError):
        flow.get_progression("a")
    flow.add_progression(Progression(name="a"))


def test_add_item_to_one_several_or_none(flow):
    first, second = flow.get_progression("a"), flow.get_progression("b")
    one, several, none = Thing(), Thing(), Thing()
    flow.add_item(one, "b")
    flow.add_item(several, [first, second.id])
    flow.add_item(none)

    assert one.id in second
    assert one.id not in first
    assert several.id in first
    assert several.id in second
    assert none in flow.items


def test_add_item_does_all_or_nothing(flow, things):
    before = orders(flow)
    new = Thing()

    for bad in ("nobody", ["a", "nobody"], uuid4()):
        with pytest.raises(NotFoundError, match="the flow has no such progression") as error:
            flow.add_item(new, bad)
        assert error.value.details == {"known": ["a", "b"]}
    with pytest.raises(ExistsError):
        flow.add_item(things[2], "b")
    assert new not in flow.items
    assert orders(flow) == before


def test_remove_item_takes_it_out_of_all(flow, things):
    flow.get_progression("b").extend([things[0], things[1], things[0]])

    assert flow.remove_item(things[0]) is things[0]
    assert orders(flow) == {"a": [things[1].id], "b": [things[1].id]}
    assert things[0] not in flow.items
    with pytest.raises(NotFoundError):
        flow.remove_item(things[0].id)


def test_clear(flow):
    flow.clear()

    assert (len(flow.items), len(flow.progressions)) == (0, 0)
    flow.add_progression(Progression(name="a"))


def test_a_move_is_to_the_end_or_not_at_all(flow, things):
    flow._move(things[0].id, "a", "b")
    flow._move(things[1].id, "a", "b")

    assert orders(flow) == {"a": [], "b": [things[0].id, things[1].id]}
    for arguments in (
        (things[2].id, "a", "b"),
        (things[0].id, "b", "nobody"),
        (things[0].id, "nobody", "b"),
    ):
        with pytest.raises(NotFoundError):
            flow._move(*arguments)
    assert orders(flow) == {"a": [], "b": [things[0].id, things[1].id]}


def test_types_of_items(things):
    flow = Flow(item_type=Thing, strict_type=True)
    flow.add_item(Thing())

    for bad in (Small(), Event()):
        with pytest.raises(TypeError, match="the pile takes no"):
            flow.add_item(bad)
    with pytest.raises(TypeError):
        Flow([Event()], item_type=Thing)
    # A pile that takes more is not taken over as it is.
    given = Pile(things)
    assert Flow(given).items is given
    strict = Flow(given, item_type=Thing, strict_type=True).items
    assert (strict.id, list(strict)) == (given.id, things)
    with pytest.raises(TypeError):
        strict.add(Small())


# --------------------------------------------------------------- written down


@pytest.mark.parametrize("mode", ["python", "json", "db"])
def test_it_is_written_and_restored(registered, flow, things, mode):
    written = flow.to_dict(mode=mode)
    restored = Flow.from_dict(written)

    assert restored.to_dict(mode=mode) == written
    assert orders(restored) == orders(flow)
    assert list(restored.items) == things
    restored._move(things[0].id, "a", "b")
    restored._check()
    assert Element.from_json(flow.to_json()).to_json() == flow.to_json()


def test_types_that_are_at_hand_need_no_leave(flow, things):
    written = flow.to_dict()

    assert list(Flow.from_dict(written, item_type=Thing).items) == things
    assert list(Flow.from_json(flow.to_json(), item_type=Thing).items) == things
    with pytest.raises(ValueError, match="may not be restored"):
        Flow.from_dict(written)
    strict = Flow.from_dict(written, item_type=Thing, strict_type=True)
    with pytest.raises(TypeError, match="the pile takes no"):
        strict.add_item(Small())


def test_a_flow_that_is_not_right_is_not_restored(registered, flow, things):
    written = flow.to_dict()
    written["items"]["items"].pop(0)

    with pytest.raises(NotFoundError, match=f"of no item: {things[0].id}"):
        Flow.from_dict(written)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda flow: pickle.loads(pickle.dumps(flow))])
def test_a_deep_copy_is_changed_alone(copied, flow, things):
    before, other = orders(flow), copied(flow)
    other._move(things[0].id, "a", "b")
    other.add_progression(Progression(name="c"))
    other.remove_item(things[1])

    assert orders(flow) == before
    assert orders(other) == {"a": [], "b": [things[0].id], "c": []}


def test_a_copied_flow_s_events_are_not_watched():
    seen, event = [], Event()
    event._observe(lambda *args: seen.append(args))
    (other,) = copy.deepcopy(Flow([event])).items
    other.status = "skipped"

    assert seen == []


# ----------------------------------------------------------------- properties

STATUSES = [each.value for each in EventStatus]
positions = st.integers(0, 30)


class FlowModel(RuleBasedStateMachine):
    """A flow of seven progressions, in one of which each item is."""

    def __init__(self):
        super().__init__()
        self.flow = Flow(progressions=[Progression(name=each) for each in STATUSES])
        self.model = {each: [] for each in STATUSES}
        self.where = {}

    @rule(status=st.sampled_from(STATUSES))
    def add(self, status):
        item = Element()
        self.flow.add_item(item, status)
        self.model[status].append(item.id)
        self.where[item.id] = status

    @rule(position=positions, status=st.sampled_from(STATUSES))
    def move(self, position, status):
        if self.where:
            item, source = list(self.where.items())[position % len(self.where)]
            self.flow._move(item, source, status)
            self.model[source].remove(item)
            self.model[status].append(item)
            self.where[item] = status

    @rule(position=positions)
    def remove(self, position):
        if self.where:
            item, source = list(self.where.items())[position % len(self.where)]
            self.flow.remove_item(item)
            self.model[source].remove(item)
            del self.where[item]

    @invariant()
    def is_the_model(self):
        self.flow._check()
        assert orders(self.flow) == self.model
        assert sorted(self.flow.items.keys()) == sorted(self.where)


def test_each_item_is_in_one_progression_after_whatever_moves():
    run_state_machine_as_test(
        FlowModel, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


@pytest.mark.simclock(runs=50)
def test_threads_move_and_remove_at_the_same_time():
    items = [Element(id=UUID(int=number)) for number in range(4)]
    names = ["a", "b"]
    flow = Flow(items, [Progression(name="a", order=items), Progression(name="b")])
    done = []

    def move(item):
        try:
            flow._move(item.id, *names)
        except NotFoundError:
            done.append("lost")
        else:
            done.append("moved")

    def remove(item):
        flow.remove_item(item)
        done.append("removed")

    works = [(move, items[0]), (move, items[0]), (move, items[1]), (remove, items[1])]
    threads = [threading.Thread(target=act, args=(item,)) for act, item in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    flow._check()
    assert done.count("removed") == 1
    assert orders(flow) == {"a": [items[2].id, items[3].id], "b": [items[0].id]}
