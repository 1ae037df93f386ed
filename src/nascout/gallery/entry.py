"""What a run knows of one architecture, over all its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nascout.errors import IntegrityError
from nascout.records import Outcome
from nascout.run.weights import verify
from nascout.search.history import STAGES, Trial
from nascout.space import Architecture

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Entry", "collect"]


@dataclass(frozen=True)
class Entry:
    """One distinct architecture, by digest, with everything known of it.

    Attributes:
        architecture: as it was first proposed.
        digest: equal for isomorphic networks.
        stage: the furthest stage that ended well, else the last one tried.
        epochs: spent at that stage; 0 for a score.
        outcome: of that stage.
        values: every metric, units as in :class:`~nascout.search.history.Trial`. Later stages
            win over earlier ones, more epochs over fewer, and what ended well over what did not.
        weights: a safetensors file with the trained weights.
        seed: of the initial weights.
        reached: the stages that ended well, each with its largest number of epochs.
    """

    architecture: Architecture
    digest: str
    stage: str
    epochs: int
    outcome: Outcome
    values: Mapping[str, float]
    weights: Path | None = None
    seed: int = 0
    reached: Mapping[str, int] = field(default_factory=dict)

    def build(self, device: str = "cpu") -> nn.Module:
        """The network: with its trained weights, in eval mode, if it was retrained; else untrained.

        Raises:
            IntegrityError: the weights are missing, unreadable or of another network.
        """
        from nascout.network import build

        if self.weights is None and self.stage == "retrain":
            raise IntegrityError(
                f"the trained weights of {self.digest[:16]} are missing",
                "Restore the run's folder weights/, or make the untrained network with "
                "nascout.build(entry.architecture).",
            )
        net = build(self.architecture, seed=self.seed, device=device)
        if self.weights is not None:
            _load(net, self.weights, device)
            net.eval()
        return net


def _load(net: nn.Module, path: Path, device: str) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        verify(path)
        net.load_state_dict(load_file(path, device=device))
    except FileNotFoundError:
        raise IntegrityError(
            f"the weights {path} are missing", "Retrain, or set weights=None to build untrained."
        ) from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise IntegrityError(
            f"the weights {path} cannot be loaded ({reason})", "Restore the file, or retrain."
        ) from None


def collect(
    trials: Iterable[Trial], weights: Callable[[str], Path | None], seed: int
) -> tuple[Entry, ...]:
    """One entry per digest, in order of first appearance."""
    by_digest: dict[str, list[Trial]] = {}
    for trial in trials:
        by_digest.setdefault(trial.architecture.digest, []).append(trial)
    return tuple(
        _entry(digest, group, weights(digest), seed) for digest, group in by_digest.items()
    )


def _entry(digest: str, trials: list[Trial], weights: Path | None, seed: int) -> Entry:
    """``trials`` in the order they were made."""
    ok = sorted((t for t in trials if t.outcome is Outcome.OK), key=_progress)
    failed = [t for t in trials if t.outcome is not Outcome.OK]
    decisive = ok[-1] if ok else failed[-1]
    return Entry(
        trials[0].architecture,
        digest,
        decisive.stage,
        decisive.proposal.epochs,
        decisive.outcome,
        {name: value for trial in (*failed, *ok) for name, value in trial.values.items()},
        weights,
        seed,
        {trial.stage: trial.proposal.epochs for trial in ok},
    )


def _progress(trial: Trial) -> tuple[int, int]:
    return STAGES.index(trial.stage), trial.proposal.epochs
