"""A node: it follows a leader, or becomes one when there seems to be none.

After Diego Ongaro, John Ousterhout: In Search of an Understandable Consensus Algorithm. USENIX ATC
2014; but a leader sends all its entries each time, so nobody has to find out where logs part.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvstore.journal import Entry, Journal
from kvstore.wire import call, serve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Message = dict[str, Any]

# Seconds: how often a leader is heard, how long an answer of a node may take, and how long nobody
# may be heard before a node wants to lead; drawn anew each time, so that two do not for ever.
BEAT = 0.4
ANSWER = 0.3
PATIENCE = (0.8, 1.6)


@dataclass(frozen=True)
class Care:
    """What has to be done right; each bug is one of these left out.

    Attributes:
        flush: What a node has agreed to is on its disk.
        quorum: A write is acknowledged when a majority has it.
        confirm: Before a read is answered, a majority says that this is still the leader.
        epochs: What a former leader sends is refused.
        requests: A request that comes again is not done again.
    """

    flush: bool = True
    quorum: bool = True
    confirm: bool = True
    epochs: bool = True
    requests: bool = True


class Node:
    """One of the nodes of a store; `run` it on a machine of its own.

    Args:
        name: The name of that machine.
        nodes: The addresses of all, by name.
        folder: Where its journal is.
        care: What it does right.
    """

    def __init__(
        self, name: str, nodes: Mapping[str, str], folder: Path, care: Care | None = None
    ) -> None:
        self._name = name
        self._peers = [address for each, address in nodes.items() if each != name]
        self._care = care or Care()
        self._journal = Journal(folder / f"{name}.journal", flush=self._care.flush)
        self._leader = ""

    async def run(self) -> None:
        """Serve for ever."""
        self._hear()
        await asyncio.gather(serve(self._handle), self._watch())

    async def _handle(self, message: Message) -> Message:
        what = message.pop("what")
        if what == "vote":
            return self._vote(**message)
        if what == "append":
            return self._append(**message)
        if not self._leads:
            return {"leader": self._leader}
        answer = await (self._add(**message) if what == "add" else self._get(**message))
        return answer or {"leader": ""}

    # ------------------------------------------------------------------------- a follower

    def _vote(self, epoch: int, last: list[int]) -> Message:
        """Let somebody lead in *epoch* who has all that may have been acknowledged."""
        journal = self._journal
        if epoch <= journal.epoch:
            return {"epoch": journal.epoch}
        self._adopt(epoch, "")
        granted = last >= self._last
        if granted:
            self._hear()
        return {"epoch": epoch, "granted": granted}

    def _append(self, epoch: int, leader: str, entries: list[list[Any]]) -> Message:
        """Take over the entries of the leader."""
        journal = self._journal
        if self._care.epochs and epoch < journal.epoch:
            return {"epoch": journal.epoch}
        if epoch != journal.epoch or leader != self._leader:
            self._adopt(epoch, leader)
        self._hear()
        theirs = [Entry(*each) for each in entries]
        # What is shorter and otherwise equal was sent earlier, and came late.
        if journal.entries[: len(theirs)] != theirs:
            same = [one == other for one, other in zip(journal.entries, theirs, strict=False)]
            kept = [*same, False].index(False)
            journal.keep(epoch, kept, theirs[kept:])
        return {"epoch": epoch, "granted": True}

    def _adopt(self, epoch: int, leader: str) -> None:
        if epoch != self._journal.epoch:
            self._journal.keep(epoch, len(self._journal.entries), [])
        self._leader = leader

    def _hear(self) -> None:
        self._heard = asyncio.get_running_loop().time()
        self._patience = random.uniform(*PATIENCE)

    @property
    def _last(self) -> list[int]:
        entries = self._journal.entries
        return [entries[-1].epoch, len(entries)] if entries else [0, 0]

    # --------------------------------------------------------------------------- a leader

    @property
    def _leads(self) -> bool:
        return self._leader == self._name

    async def _watch(self) -> None:
        """Be heard as a leader; become one if none is heard."""
        while True:
            if self._leads:
                await self._replicate()
            elif asyncio.get_running_loop().time() - self._heard > self._patience:
                await self._campaign()
            await asyncio.sleep(BEAT)

    async def _campaign(self) -> None:
        epoch = self._journal.epoch + 1
        self._adopt(epoch, "")
        self._hear()
        if await self._majority(epoch, {"what": "vote", "epoch": epoch, "last": self._last}):
            self._leader = self._name
            # Earlier entries count only as what is before one of this epoch: see section 5.4.2.
            self._add_entry(Entry(epoch, "", "", 0))
            await self._replicate()

    async def _replicate(self) -> bool:
        """Return whether a majority has all entries, and knows of no other leader."""
        epoch = self._journal.epoch
        entries = list(self._journal.entries)
        message = {"what": "append", "epoch": epoch, "leader": self._name, "entries": entries}
        return await self._majority(epoch, message)

    async def _majority(self, epoch: int, message: Message) -> bool:
        """Return whether most nodes agree, this one included, and it is still that epoch."""
        calls = [call(peer, message, ANSWER) for peer in self._peers]
        answers = await asyncio.gather(*calls)
        newest = max([answer.get("epoch", 0) for answer in answers], default=0)
        if self._care.epochs and newest > self._journal.epoch:
            self._adopt(newest, "")
        agreed = 1 + sum(answer.get("granted", False) for answer in answers)
        return 2 * agreed > len(calls) + 1 and self._journal.epoch == epoch

    def _add_entry(self, entry: Entry) -> None:
        journal = self._journal
        journal.keep(journal.epoch, len(journal.entries), [entry])

    async def _add(self, request: str, key: str, add: int) -> Message:
        """Change a value."""
        known = {each.request for each in self._journal.entries}
        if not (self._care.requests and request in known):
            self._add_entry(Entry(self._journal.epoch, request, key, add))
        # Without care the others hear of it with the next beat.
        is_done = await self._replicate() if self._care.quorum else True
        return {"done": True} if is_done else {}

    async def _get(self, request: str, key: str) -> Message:  # noqa: ARG002 - reads may be repeated
        """Return a value that no acknowledged write is missing from."""
        entries = list(self._journal.entries)
        is_sure = await self._replicate() if self._care.confirm else True
        value = sum(each.add for each in entries if each.key == key)
        return {"value": value} if is_sure else {}
