"""Strategies by name."""

from __future__ import annotations

import pytest

from simclock._strategies.base import Strategy
from simclock._strategies.naming import BUILT_IN, find


class Own(Strategy):
    name = "own"

    def __init__(
        self,
        seed=0,
        *,
        rate: float = 0.5,
        word: str = "",
        limit: int | None = 3,
        made: object = None,
    ):
        super().__init__(seed)
        self.options = (rate, word, limit, made)


KNOWN = {**BUILT_IN, "own": Own}


def test_the_names():
    assert list(BUILT_IN) == [
        "portfolio",
        "canonical",
        "random",
        "pct",
        "pos",
        "urw",
        "dfs",
        "clock",
    ]
    for name, made in BUILT_IN.items():
        assert type(find(name, 7, BUILT_IN)) is made


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("own", (0.5, "", 3, None)),
        ("own:rate=0.25", (0.25, "", 3, None)),
        ("own:limit=none,word=a=b", (0.5, "a=b", None, None)),
        ("own:limit=9", (0.5, "", 9, None)),
    ],
)
def test_options_are_given_as_what_they_are(text, options):
    assert find(text, 1, KNOWN).options == options


def test_annotations_need_not_be_postponed():
    class Eager(Strategy):
        name = "eager"

        def __init__(self, seed=0, *, depth=3, bound=None):
            super().__init__(seed)
            self.options = (depth, bound)

    Eager.__init__.__annotations__ = {"depth": int, "bound": int | None}
    assert find("eager:depth=4,bound=2", 0, {"eager": Eager}).options == (4, 2)


def test_the_seed_is_handed_on():
    draws = [find("random", seed, BUILT_IN).random.random() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (
            "ptc",
            "unknown strategy: 'ptc'",
            "choose one of portfolio, canonical, random, pct, pos, urw, dfs, clock",
        ),
        (
            "pct:deep=5",
            "unknown option of the strategy 'pct': 'deep=5'",
            "write pct:depth=VALUE (a whole number)",
        ),
        (
            "dfs:",
            "unknown option of the strategy 'dfs': ''",
            "write dfs:preemptions=VALUE (a whole number, or none)",
        ),
        (
            "pos:depth=5",
            "unknown option of the strategy 'pos': 'depth=5'",
            "pos has no options: write it without a colon",
        ),
        (
            "pct:depth=many",
            "strategy 'pct:depth=many': depth is not a whole number: 'many'",
            "write it as depth=VALUE",
        ),
        (
            "pct:depth",
            "strategy 'pct:depth': depth is not a whole number: ''",
            "write it as depth=VALUE",
        ),
        (
            "dfs:preemptions=two",
            "strategy 'dfs:preemptions=two': preemptions is not a whole number, or none: 'two'",
            "write it as preemptions=VALUE",
        ),
        (
            "pct:depth=0",
            "strategy 'pct:depth=0': depth has to be at least 1: 0",
            "write pct:depth=VALUE (a whole number)",
        ),
    ],
)
def test_what_is_wrong_is_said(text, first, last):
    with pytest.raises(ValueError, match="strategy") as caught:
        find(text, 0, BUILT_IN)
    assert str(caught.value) == f"{first}\n{last}"
