"""In which order merged graphs run, such that the same operation of many of them runs at once."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator

from nascout.graph.merged import Merged, Slot

__all__ = ["lockstep"]


# What can run together: slots of one key and one call, of equally many inputs (sums drop zeros).
_Kind = tuple[str, int, int]


def lockstep(merged: Merged, width: Callable[[Slot], int]) -> Iterator[tuple[int, ...]]:
    """All slots, each after what it reads; those that run together in one tuple.

    Graphs of one space have the same positions in the same order. So an operation with weights
    waits until its position can be computed in all graphs that have one. In the meantime what
    has no weights runs, as much as is ready of a kind. Where graphs disagree on the order, what
    is ready of the largest group runs alone.

    Args:
        merged: the graphs.
        width: how many slots like this one may run together; it, or a half, ..., since
            libraries prepare for every new size.
    """
    waiting = _Waiting(merged)
    while waiting.ready:
        for kind in waiting.next_kinds():
            members = waiting.ready.pop(kind)
            most, start = width(merged.slots[members[0]]), 0
            while start < len(members):
                while most > len(members) - start:
                    most //= 2
                yield tuple(members[start : start + most])
                start += most
            for index in members:
                waiting.done(index)


class _Waiting:
    """What can run, and what it waits for."""

    def __init__(self, merged: Merged) -> None:
        self.kinds: list[_Kind] = [
            (slot.key, call, len(slot.inputs))
            for slot, call in zip(merged.slots, merged.calls, strict=True)
        ]
        self.ready: dict[_Kind, list[int]] = defaultdict(list)
        self._missing = Counter(self.kinds)
        self._whole: deque[_Kind] = deque()
        self._readers: list[list[int]] = [[] for _ in merged.slots]
        self._unread = []
        for index, slot in enumerate(merged.slots):
            sources = set(slot.inputs)
            self._unread.append(len(sources))
            for source in sources:
                self._readers[source].append(index)
        for index, unread in enumerate(self._unread):
            if not unread:
                self._arrive(index)

    def next_kinds(self) -> list[_Kind]:
        """One with weights that is whole; else all without; else the largest."""
        while self._whole:
            kind = self._whole.popleft()
            if kind in self.ready:
                return [kind]
        free = [kind for kind in self.ready if not kind[0]]
        return free or [max(self.ready, key=lambda kind: len(self.ready[kind]))]

    def done(self, index: int) -> None:
        """Slot ``index`` has its value."""
        for reader in self._readers[index]:
            self._unread[reader] -= 1
            if not self._unread[reader]:
                self._arrive(reader)

    def _arrive(self, index: int) -> None:
        kind = self.kinds[index]
        self.ready[kind].append(index)
        self._missing[kind] -= 1
        if kind[0] and not self._missing[kind]:
            self._whole.append(kind)
