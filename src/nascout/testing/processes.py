"""A score gives the same bits in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import torch

from nascout.score.card import SCORES, Card
from nascout.testing.networks import NETWORKS

__all__ = ["answer", "check_processes"]

CHILD = "from nascout.testing.processes import answer; answer()"


def check_processes(scores: Iterable[str | Card]) -> None:
    """Compare every value on :data:`~nascout.testing.networks.NETWORKS` with another process's.

    One process for all scores; its hash seed is another.

    Raises:
        AssertionError: values that differ, or a score that the other process cannot find: it is
            neither registered nor at the top of a module.
    """
    cards = [SCORES[score] if isinstance(score, str) else score for score in scores]
    question = {"threads": torch.get_num_threads(), "scores": [_address(card) for card in cards]}
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(question),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"another process fails: {done.stderr.strip().splitlines()[-1]}"
    for card, there in zip(cards, json.loads(done.stdout), strict=True):
        for name, here in _values(card).items():
            assert here == there[name], (
                f"{card.name} on {name!r} gives {here}, in another process {there[name]}"
            )


def answer() -> None:
    """Be the other process: read scores from standard input, write their values."""
    question = json.load(sys.stdin)
    torch.set_num_threads(question["threads"])
    sys.stdout.write(json.dumps([_values(_found(**address)) for address in question["scores"]]))


def _values(card: Card) -> dict[str, str]:
    """The value on each network, to the last bit, or what is raised instead."""
    values = {}
    for name, example in NETWORKS.items():
        try:
            values[name] = card(example.make(), *example.batch()).hex()
        except Exception as error:  # noqa: BLE001 - to be compared; check_score judges it
            values[name] = type(error).__name__
    return values


def _address(card: Card) -> dict[str, Any]:
    module = getattr(card.function, "__module__", "")
    qualname = getattr(card.function, "__qualname__", "")
    return {"name": card.name, "module": module, "qualname": qualname, "needs": card.needs}


def _found(name: str, module: str, qualname: str, needs: Any) -> Card:
    if name in SCORES:
        return SCORES[name]
    found: Any = import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return Card(name, found, needs, True, "", "")
