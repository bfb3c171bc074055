"""Ids in an order: what a list does, at the same cost for each."""

from __future__ import annotations

import copy
import pickle
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from simclock.systems.eventflow import Element, NotFoundError, Progression
from simclock.systems.eventflow.orders import Order

A, B, C, D = IDS = [UUID(int=number) for number in range(1, 5)]
ids = st.sampled_from(IDS)
indices = st.integers(-6, 6)


class ProgressionModel(RuleBasedStateMachine):
    """A progression beside a list."""

    def __init__(self):
        super().__init__()
        self.progression, self.model = Progression(), []

    @rule(each=ids)
    def append(self, each):
        self.progression.append(each)
        self.model.append(each)

    # Often, so that holes are closed.
    @rule(many=st.lists(ids, min_size=10, max_size=40))
    def extend(self, many):
        self.progression.extend(many)
        self.model.extend(many)

    @rule(index=indices, each=ids)
    def insert(self, index, each):
        self.progression.insert(index, each)
        self.model.insert(index, each)

    @rule(each=ids, times=st.integers(1, 30))
    def remove(self, each, times):
        for _ in range(times):
            if each in self.model:
                self.progression.remove(each)
                self.model.remove(each)
            else:
                with pytest.raises(NotFoundError):
                    self.progression.remove(each)

    @rule(each=ids)
    def remove_all(self, each):
        assert self.progression._order.remove_all(each) == (each in self.model)
        self.model = [other for other in self.model if other != each]

    @rule(index=indices)
    def pop(self, index):
        expected = self.model.pop(index) if -len(self.model) <= index < len(self.model) else None
        assert self.progression.pop(index, None) == expected

    @rule(times=st.integers(1, 30))
    def popleft(self, times):
        for _ in range(min(times, len(self.model))):
            assert self.progression.popleft() == self.model.pop(0)

    @rule(each=ids)
    def include(self, each):
        assert self.progression.include(each) == (each not in self.model)
        if each not in self.model:
            self.model.append(each)

    @rule(each=ids)
    def exclude(self, each):
        assert self.progression.exclude(each) == (each in self.model)
        if each in self.model:
            self.model.remove(each)

    @rule(index=indices, each=ids)
    def set_item(self, index, each):
        if -len(self.model) <= index < len(self.model):
            self.progression[index] = self.model[index] = each
        else:
            with pytest.raises(NotFoundError):
                self.progression[index] = each

    @rule(start=indices, stop=indices, many=st.lists(ids, max_size=3))
    def set_slice(self, start, stop, many):
        self.progression[start:stop] = self.model[start:stop] = many

    @rule(first=indices, second=indices)
    def swap(self, first, second):
        length = len(self.model)
        if all(-length <= each < length for each in (first, second)):
            self.progression.swap(first, second)
            model = self.model
            model[first], model[second] = model[second], model[first]
        else:
            with pytest.raises(NotFoundError):
                self.progression.swap(first, second)

    @rule()
    def reverse(self):
        self.progression.reverse()
        self.model.reverse()

    @rule()
    def clear(self):
        self.progression.clear()
        self.model.clear()

    @invariant()
    def is_the_model(self):
        progression, model = self.progression, self.model
        progression._order._check()
        assert progression.order == list(progression) == model
        assert list(reversed(progression)) == model[::-1]
        assert len(progression) == len(model)
        assert [each in progression for each in IDS] == [each in model for each in IDS]
        for each in set(model):
            assert progression.index(each) == model.index(each)
        for index in range(-len(model), len(model)):
            assert progression[index] == model[index]
        assert progression[1:-1] == model[1:-1]


def test_a_progression_is_what_a_list_is():
    run_state_machine_as_test(
        ProgressionModel, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )


class Holes(RuleBasedStateMachine):
    """An order whose positions are never asked for: its holes stay until they are many."""

    def __init__(self):
        super().__init__()
        self.order, self.model, self.number = Order(), [], 0

    @rule(count=st.integers(1, 50))
    def append(self, count):
        for _ in range(count):
            self.number += 1
            self.order.append(UUID(int=self.number))
            self.model.append(UUID(int=self.number))

    @rule(data=st.data(), count=st.integers(1, 50))
    def remove(self, data, count):
        for each in data.draw(st.permutations(self.model))[:count]:
            assert self.order.remove(each)
            self.model.remove(each)

    @rule(count=st.integers(1, 50))
    def take_from_the_ends(self, count):
        for _ in range(min(count, len(self.model) // 2)):
            assert self.order.popleft() == self.model.pop(0)
            assert self.order.pop() == self.model.pop()

    @invariant()
    def is_the_model(self):
        self.order._check()
        assert list(self.order) == self.model
        assert len(self.order._slots) <= 2 * len(self.model) + 17


def test_holes_are_closed_before_they_are_many():
    run_state_machine_as_test(
        Holes, settings=settings(max_examples=50, stateful_step_count=30, deadline=None)
    )


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (0, 2, [B, A, C, D]),
        (0, 4, [B, C, D, A]),
        (3, 0, [D, A, B, C]),
        (-1, 1, [A, D, B, C]),
        (1, 1, [A, B, C, D]),
        (1, -1, [A, C, B, D]),
    ],
)
def test_move_puts_it_before_what_was_there(source, target, expected):
    progression = Progression(order=IDS)
    progression.move(source, target)

    assert progression.order == expected


@pytest.mark.parametrize(
    "act",
    [
        lambda p: p[4],
        lambda p: p[-5],
        lambda p: p.pop(4),
        lambda p: p.move(4, 0),
        lambda p: p.move(0, 5),
        lambda p: p.move(0, -5),
        lambda p: p.swap(0, 4),
        lambda p: p.__setitem__(4, A),
    ],
)
def test_a_position_that_is_not_there_is_told_and_changes_nothing(act):
    progression = Progression(name="line", order=IDS)

    with pytest.raises(
        NotFoundError, match=r"^the progression 'line' has no position -?[45]: it has 4"
    ):
        act(progression)
    assert progression.order == IDS


def test_an_empty_progression_has_nothing_to_give():
    progression = Progression()

    with pytest.raises(NotFoundError, match="the progression has no position 0: it has 0 ids"):
        progression.popleft()
    with pytest.raises(NotFoundError):
        progression.pop()
    assert progression.pop(default=None) is None
    for act in (progression.remove, progression.index):
        with pytest.raises(NotFoundError, match=f"it is not in the progression: {A}"):
            act(A)
    order = Order()
    for act in (order.pop, order.popleft):
        with pytest.raises(IndexError, match="the order is empty"):
            act()
    with pytest.raises(ValueError, match=f"not in the order: {A}"):
        order.index(A)


def test_ids_are_given_as_texts_and_as_elements_too():
    element = Element()
    progression = Progression(order=[str(A), element])
    progression.append(str(B))

    assert progression.order == [A, element.id, B]
    assert element in progression
    assert str(A) in progression
    assert "nobody" not in progression


@pytest.mark.parametrize("bad", ["nobody", str(A), 3, [A, "nobody"]])
def test_what_is_no_list_of_ids_is_refused_and_changes_nothing(bad):
    progression = Progression(order=[A])

    with pytest.raises(ValueError, match=r"this is no (id|list of ids)"):
        Progression(order=bad)
    with pytest.raises(ValueError, match=r"this is no (id|list of ids)"):
        progression.extend(bad)
    with pytest.raises(ValueError, match=r"this is no (id|list of ids)"):
        progression.order = bad
    with pytest.raises(ValueError, match="this is no id"):
        progression.insert(0, 3)
    assert progression.order == [A]


def test_the_list_of_its_order_is_a_copy():
    progression = Progression(order=[A, B])
    progression.order.append(C)

    assert C not in progression
    assert progression.order == [A, B]
    progression.order = [C]
    assert progression.order == [C]
    assert A not in progression


def test_it_may_be_changed_while_it_is_iterated_over():
    progression = Progression(order=IDS)
    for each in progression:
        progression.remove(each)

    assert progression.order == []
    progression.extend(IDS)
    progression.extend(progression)
    assert progression.order == IDS + IDS


def test_it_is_written_and_restored():
    progression = Progression(name="line", order=[A, B, A])

    assert progression.to_dict()["order"] == [A, B, A]
    assert progression.to_dict(mode="json")["order"] == [str(A), str(B), str(A)]
    for restored in (
        Progression.from_json(progression.to_json()),
        Element.from_dict(progression.to_dict()),
        Progression(**progression.model_dump()),
    ):
        assert restored.model_dump() == progression.model_dump()
        restored._order._check()


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_a_copy_is_changed_alone(copied):
    progression = Progression(name="line", order=[A])
    other = copied(progression)
    other.append(B)

    assert (progression.order, other.order) == ([A], [A, B])
    assert other == progression
