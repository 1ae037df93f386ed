"""A small space in which decisions close others, with skips and without, and its architectures."""

import pytest

from nascout.space import Choice, Space


class Branching(Space):
    """Decisions of several sizes; a set of skips, another decision and a chain of conditions.

    5 + 16 + 8 architectures. Not registered.
    """

    name = "branching"
    classes, input_shape = 2, (1, 4, 4)
    decisions = (
        Choice("kind", ("a", "b", "c")),
        Choice("width", ("1", "2", "4", "8"), when=(("kind", ("a", "b")),)),
        Choice("0->2", ("no", "yes"), when=(("kind", ("b", "c")),)),
        Choice("1->2", ("no", "yes"), when=(("kind", ("b", "c")),)),
        Choice("deep", ("x", "y"), when=(("width", ("8",)), ("kind", ("a",)))),
        Choice("2->3", ("no", "yes"), when=(("kind", ("c",)),)),
    )

    def parameters(self):
        return {}

    def graph(self, architecture):
        raise NotImplementedError

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(self.name)


@pytest.fixture(scope="session")
def branching():
    return Branching()
