"""A space as an Optuna search space: one categorical parameter per open decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascout.errors import ArchitectureError, MissingExtra
from nascout.space import Architecture, Space

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["suggest"]


def suggest(trial: Trial, space: Space) -> Architecture:
    """An architecture whose decisions Optuna takes, for an objective function of your own.

    A decision is a categorical parameter of the same name, suggested only where it is open; so the
    same space serves every sampler, pruner and storage of Optuna.

    Args:
        trial: what the objective function is given.
        space: any space.

    Raises:
        optuna.TrialPruned: decisions that do not fit together, in a space that has such; in an
            objective function this ends the trial and lets the study go on.
        MissingExtra: Optuna is not installed.

    Example:
        >>> import optuna
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"]()
        >>> trial = optuna.trial.FixedTrial(dict.fromkeys(["0->1", "0->2", "1->2"], "none")
        ...     | dict.fromkeys(["0->3", "1->3", "2->3"], "skip_connect"))
        >>> str(suggest(trial, space))
        '|none~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|skip_connect~2|'
    """
    try:
        from optuna import TrialPruned
    except ImportError:
        raise MissingExtra("Optuna's trials", "optuna") from None
    made: dict[str, str | None] = {}
    for choice in space.decisions:
        is_open = choice.is_open(made)
        made[choice.name] = (
            trial.suggest_categorical(choice.name, choice.options) if is_open else None
        )
    try:
        return Architecture(space, tuple(made.values()))
    except ArchitectureError as error:
        raise TrialPruned(str(error)) from None
