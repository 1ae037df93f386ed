"""Identifiers for generated source. Keys are data: nothing of them but letters and digits stays."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from torch import nn

__all__ = ["ATTRIBUTES", "WORDS", "Names", "class_name", "identifier"]

LONGEST = 48
#: What no local name or class may shadow.
WORDS = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "torch", "nn", "Tensor"}
)
#: What no attribute of a module may shadow: ``training``, ``forward``, ``half`` ...
ATTRIBUTES = frozenset({*keyword.kwlist, *dir(nn.Module())})


class Names:
    """Hands out names, each once.

    >>> names = Names(("x",))
    >>> names.fresh("x"), names.fresh("conv"), names.fresh("conv")
    ('x2', 'conv', 'conv2')
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wanted: str) -> str:
        """``wanted``, or with the first free number behind it."""
        name, count = wanted, 2
        while name in self._taken:
            name, count = f"{wanted}{count}", count + 1
        self._taken.add(name)
        return name


def _words(key: str) -> list[str]:
    words = [re.sub(r"[^0-9a-zA-Z]+", "_", part).strip("_") for part in key.split("/")]
    # "0->1/conv" reads better, and is an identifier, as conv_0_1.
    return sorted(filter(None, words), key=lambda word: word[0].isdigit())


def identifier(key: str) -> str:
    """A key as an ASCII identifier.

    >>> identifier("0->2/nor_conv_3x3"), identifier("1"), identifier('x"); import os #')
    ('nor_conv_3x3_0_2', 'x1', 'x_import_os')
    """
    name = "_".join(_words(key))[:LONGEST].strip("_")
    return name if name[:1].isalpha() else f"x{name}"


def class_name(key: str, *, counted: bool = False) -> str:
    """The last part of a key in capitals; ``counted`` keeps the number of its repetition.

    >>> class_name("stage1/cell12"), class_name("layer2/conv_3x3"), class_name("7")
    ('Cell', 'Conv3x3', 'Block7')
    """
    last = identifier(key.rpartition("/")[2])
    if not counted:
        last = re.sub(r"(?<=[a-zA-Z]{2})_?\d+$", "", last)
    name = "".join(word[:1].upper() + word[1:] for word in last.split("_"))
    return name if not re.fullmatch(r"X\d*", name) else f"Block{name[1:]}"
