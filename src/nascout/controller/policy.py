"""A recurrent policy over the decisions of any space: samples, log-probabilities, entropies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.controller.steps import Step, steps
from nascout.space import Architecture, Space

__all__ = ["Policy", "one_thread"]


class Policy(nn.Module):
    """An LSTM that takes the decisions of a space one after another (arXiv:1611.01578, 3.1).

    At every step it reads an embedding of what was decided before, and a softmax of its own
    gives the probabilities of the decision's options. A decision that is not open is not asked:
    it has log-probability and entropy 0, and its value is -1 wherever decisions are numbers.

    All skips into one node are decided at one step, each for itself, by attention (section 3.3 of
    the paper): with h the state at that step and a_j the state at the step of node j's own skips,
    its anchor, the log-odds that j is read are ``v . tanh(W_1 a_j + W_2 h)``. A node without
    skips of its own, such as the stem, has a learnt anchor. As in ENAS (arXiv:1802.03268) the
    next input is the sum of the anchors that are read over one more than their number.
    :func:`nascout.controller.steps.steps` says which decisions are skips.

    With ``temperature`` T and ``tanh_constant`` C every softmax is over ``C tanh(logit / T)``, as
    in ENAS; a skip's two logits are -q/2 and q/2.

    The papers do not say how wide an embedding is; here it is as wide as the LSTM, as in ENAS.
    ENAS gives the softmaxes of one kind of decision the same weights; here each has its own.

    Numbers are float64. On one machine and one thread (:func:`one_thread`), equal calls give
    equal bits in every process.

    Args:
        space: whose decisions.
        layers, units: of the LSTM.
        spread: all parameters start uniform in [-spread, spread].
        seed: of that draw.
        temperature, tanh_constant: see above; a constant of 0 leaves the tanh out.
        attention: whether skips are decided by attention; if not, each is a softmax of its own.

    Example:
        >>> from nascout.space.nasbench201 import NasBench201
        >>> policy = Policy(NasBench201(), units=8)
        >>> taken = policy.sample(3, random.Random(0))
        >>> log_p, entropy = policy(taken)
        >>> log_p.shape
        torch.Size([3, 6])
    """

    def __init__(
        self,
        space: Space,
        *,
        layers: int = 1,
        units: int = 100,
        spread: float = 0.1,
        seed: int = 0,
        temperature: float = 1.0,
        tanh_constant: float = 0.0,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.space, self.units = space, units
        self.temperature, self.tanh_constant = temperature, tanh_constant
        self.steps = steps(space, attention=attention)
        sizes = [len(choice.options) for choice in space.decisions]
        alone = [step.decisions[0] for step in self.steps if not step.sources]
        skips = [step for step in self.steps if step.sources]
        decided, rootless = set[str](), dict[str, None]()
        for step in skips:
            rootless |= dict.fromkeys(s for s in step.sources if s not in decided)
            decided.add(step.target)
        self.cells = nn.ModuleList(_cell(units) for _ in range(layers))
        # The last row stands for a decision that is not open.
        self.tokens = nn.ParameterDict({str(d): _empty(sizes[d] + 1, units) for d in alone})
        self.heads = nn.ParameterDict({str(d): _empty(sizes[d], units + 1) for d in alone})
        self.anchors = nn.ParameterDict({s: _empty(units) for s in rootless})
        self.first = _empty(units)
        shapes = ((units, units), (units, units), (1, units)) if skips else ()
        self.attention = nn.ParameterList(_empty(*shape) for shape in shapes)
        self._draw(spread, torch.Generator().manual_seed(seed))
        self._conditions = _conditions(space)
        self._owners = torch.repeat_interleave(torch.tensor(sizes))
        self._starts = torch.tensor([0, *accumulate(sizes)][:-1])

    def _draw(self, spread: float, generator: torch.Generator) -> None:
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-spread, spread, generator=generator)

    def numbers(self, architectures: Sequence[Architecture]) -> Tensor:
        """The place of each decision's value among its options, -1 where it is not open.

        Returns:
            int64 (architectures, decisions).
        """
        places: list[dict[str | None, int]] = [
            {option: number for number, option in enumerate(choice.options)}
            for choice in self.space.decisions
        ]
        rows = [
            [of.get(value, -1) for of, value in zip(places, one.values, strict=True)]
            for one in architectures
        ]
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, len(places))

    def values(self, taken: Tensor) -> list[tuple[str | None, ...]]:
        """The decisions that :meth:`numbers` stand for; not all need fit together."""
        options = [(*choice.options, None) for choice in self.space.decisions]
        rows: list[list[int]] = taken.tolist()
        return [tuple(of[n] for of, n in zip(options, row, strict=True)) for row in rows]

    def forward(self, taken: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of each decision, given those before it.

        Args:
            taken: int64 (architectures, decisions), see :meth:`numbers`.

        Returns:
            Two float64 (architectures, decisions) with 0 where a decision is not open. The sum of
            a row of the first is the architecture's log-probability.
        """
        log_p = self._unrolled(len(taken), lambda step, _: taken[:, step.place])
        is_open = taken >= 0
        chosen = log_p.gather(1, self._starts + taken.clamp(min=0))
        entropy = log_p.new_zeros(taken.shape).index_add(1, self._owners, -log_p.exp() * log_p)
        return chosen * is_open, entropy * is_open

    @torch.no_grad()
    def sample(self, count: int, rng: random.Random) -> Tensor:
        """Independent draws; the same generator gives the same ones in every process.

        A space may refuse some of what is drawn: see :meth:`Space.check`.

        Returns:
            int64 (count, decisions), see :meth:`numbers`.
        """
        decisions = len(self.space.decisions)
        uniform = torch.tensor(
            [[rng.random() for _ in range(decisions)] for _ in range(count)], dtype=torch.float64
        ).reshape(count, decisions, 1)
        taken = torch.full((count, decisions), -1)

        def drawn(step: Step, log_p: Tensor) -> Tensor:
            below = log_p.exp().cumsum(-1)[..., :-1] <= uniform[:, step.place]
            taken[:, step.place] = below.sum(-1)
            for place in step.decisions:
                for other, allowed in self._conditions[place]:
                    taken[~allowed[taken[:, other]], place] = -1
            return taken[:, step.place]

        self._unrolled(count, drawn)
        return taken

    def _unrolled(self, count: int, decide: Callable[[Step, Tensor], Tensor]) -> Tensor:
        """Log-probabilities of all options of all decisions: (count, options).

        ``decide`` gives the decisions of a step, (count, decisions of the step), from their
        log-probabilities, (count, decisions of the step, options).
        """
        zero = self.first.new_zeros(count, self.units)
        hidden = [(zero, zero) for _ in self.cells]
        anchors = {name: one.expand(count, -1) for name, one in self.anchors.items()}
        x = self.first.expand(count, -1)
        found = []
        for step in self.steps:
            for depth, cell in enumerate(self.cells):
                hidden[depth] = cell(x, hidden[depth])
                x = hidden[depth][0]
            read = torch.stack([anchors[s] for s in step.sources], 1) if step.sources else None
            log_p = self._logits(step, x, read).log_softmax(-1)
            found.append(log_p.flatten(1))
            taken = decide(step, log_p)
            if read is None:
                x = self.tokens[str(step.decisions[0])][taken[:, 0]]
            else:
                anchors[step.target] = x
                joined = (taken == 1).to(x.dtype).unsqueeze(1)
                x = (joined @ read).squeeze(1) / (1 + joined.sum(-1))
        return torch.cat(found, 1)

    def _logits(self, step: Step, h: Tensor, read: Tensor | None) -> Tensor:
        """(architectures, decisions of the step, options)."""
        if read is None:
            head = self.heads[str(step.decisions[0])]
            logits = F.linear(h, head[:, :-1], head[:, -1]).unsqueeze(1)
        else:
            by_anchor, by_state, v = self.attention
            query = torch.tanh(F.linear(read, by_anchor) + F.linear(h, by_state).unsqueeze(1))
            half = query @ v[0] / 2
            logits = torch.stack([-half, half], -1)
        if self.temperature != 1:
            logits = logits / self.temperature
        return self.tanh_constant * torch.tanh(logits) if self.tanh_constant else logits


@contextmanager
def one_thread() -> Iterator[None]:
    """Run on one thread, which decides the last bits of a result, and is fastest for small work.

    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cell(units: int) -> nn.LSTMCell:
    """Without a draw from torch's own generator."""
    cell: nn.LSTMCell = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.LSTMCell, units, units, dtype=torch.float64
    )
    return cell


def _empty(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=torch.float64))


def _conditions(space: Space) -> list[list[tuple[int, Tensor]]]:
    """For each decision, which earlier ones it depends on, and which of their values open it.

    The last entry of each mask is for an earlier decision that is itself not open.
    """
    places = {choice.name: place for place, choice in enumerate(space.decisions)}
    found = []
    for choice in space.decisions:
        masks = []
        for name, allowed in choice.when:
            options = space.decisions[places[name]].options
            masks.append((places[name], torch.tensor([o in allowed for o in (*options, None)])))
        found.append(masks)
    return found
