"""What is known of a training-free score, and the registry of scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.registry import Registry
from nascout.score.inputs import Inputs

__all__ = ["SCORES", "AtOnce", "Card", "Invariance", "Needs", "score"]

Needs = Literal["network", "inputs", "labels"]
Invariance = Literal["batch order", "input scale", "output scale", "label names", "function form"]
DEFAULT: Final = "independence"
MODULES: Final = (
    "counts",
    "diversity",
    "epe_nas",
    "epsilon",
    "epsilon_rnn",
    "epsilon_spatial",
    "fisher",
    "grad_norm",
    "grasp",
    "hidden_covariance",
    "independence",
    "jacob_cov",
    "jacob_dcor",
    "l2_norm",
    "linear_regions",
    "nasgraph",
    "naswot",
    "ntk",
    "plain",
    "sign_pattern",
    "snip",
    "synflow",
    "zen",
    "zico",
)


class AtOnce(Protocol):
    """A score of many graphs: the same values as one network at a time, sooner."""

    def __call__(
        self,
        graphs: Sequence[Graph],
        x: Inputs | None,
        y: Tensor | None = None,
        *,
        seed: int,
        memory: int,
    ) -> Iterator[float | UnsupportedNetwork]:
        """One value per graph, in order, each as soon as it is known.

        It is what the score gives for ``build(graph, seed)`` on the device of ``x`` and in its
        precision, or an UnsupportedNetwork for a graph that has to be scored by itself. About
        ``memory`` bytes of activations may be held at a time.
        """
        ...


@dataclass(frozen=True)
class Card:
    """A score: a pure function of a network and what it ``needs``.

    ``needs="network"`` calls ``function(net, example)``, where ``example`` is one batch that
    only tells sizes (``None`` if there is none); ``"inputs"`` calls ``function(net, x)`` and
    ``"labels"`` ``function(net, x, y)``. ``summary`` is the first line of its docstring.

    Args:
        paper: where it was proposed; ``equation`` says where in it.
        gradients: whether it runs a backward pass.
        applies: which networks it can read.
        deviations: from the paper, or from the authors' code; empty for none.
        batch: how many samples the paper uses; None where the count means nothing.
        invariances: what leaves the value as it is; ``nascout.testing`` checks each. The
            ``"function form"`` is how a graph says what a fresh network does: the nesting of its
            sums, and what learns but leads nowhere. Of a whole space, such a score is computed
            once per :func:`nascout.graph.function.function_digest`.
        reference: a plain, slow way to the same value that the function must agree with.
        at_once: a fast way to the same values for many graphs.
    """

    name: str
    function: Callable[..., float]
    needs: Needs
    higher_is_better: bool
    paper: str
    summary: str
    equation: str = ""
    gradients: bool = False
    applies: str = "any network"
    deviations: str = ""
    batch: int | None = None
    invariances: tuple[Invariance, ...] = ()
    reference: Callable[..., float] | None = None
    at_once: AtOnce | None = None

    def __call__(self, net: nn.Module, x: Inputs | None, y: Tensor | None = None) -> float:
        """Evaluate with as much of the batch as the score needs."""
        return self.call(self.function, net, x, y)

    def call(
        self,
        function: Callable[..., float],
        net: nn.Module,
        x: Inputs | None,
        y: Tensor | None = None,
    ) -> float:
        """Call ``function`` the way this card's own is called."""
        return float(function(net, x, y) if self.needs == "labels" else function(net, x))


SCORES: Registry[Card] = Registry(
    "score",
    modules=tuple(f"nascout.score.{name}" for name in MODULES),
)


def score(
    name: str,
    *,
    paper: str = "",
    needs: Needs = "inputs",
    higher_is_better: bool = True,
    equation: str = "",
    gradients: bool = False,
    applies: str = "any network",
    deviations: str = "",
    batch: int | None = None,
    invariances: tuple[Invariance, ...] = (),
    reference: Callable[..., float] | None = None,
    at_once: AtOnce | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function below as the score ``name``; the function itself stays as it is.

    The arguments are those of :class:`Card`.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        card = Card(
            name,
            function,
            needs,
            higher_is_better,
            paper,
            summary,
            equation,
            gradients,
            applies,
            deviations,
            batch,
            invariances,
            reference,
            at_once,
        )
        SCORES.add(name, card)
        return function

    return register
