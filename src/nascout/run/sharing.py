"""The part of a search that shares weights: it ends in a list of architectures to retrain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

from nascout.atomic import write_text
from nascout.errors import ConfigError
from nascout.oneshot import Shared, SharedEpoch, share
from nascout.run.evaluator import CHECKPOINTS, Evaluator
from nascout.run.plan import Plan
from nascout.run.watcher import Watcher
from nascout.run.weights import SHARING
from nascout.search.listed import Listed
from nascout.space import Choice, Space
from nascout.train import Epoch

__all__ = ["share_weights"]


def share_weights(
    plan: Plan, evaluator: Evaluator, watcher: Watcher, *, should_stop: Callable[[], bool]
) -> Plan:
    """Train shared weights, or take up where that was stopped; the plan with what was found.

    The accuracy under shared weights, where there is one, becomes the value
    ``shared_val_accuracy`` of an architecture's score.

    Raises:
        Stopped: ``should_stop`` said yes; the finished epochs are on disk.
    """
    assert plan.method is not None and isinstance(plan.strategy, Listed)
    watcher.started({"share": plan.method.epochs}, [])
    watcher.asked("share")
    shared = share(
        plan.method,
        plan.space,
        evaluator.split,
        seed=plan.seed,
        device=evaluator.device,
        checkpoint=evaluator.folder / CHECKPOINTS / "sharing.safetensors",
        on_epoch=lambda epoch: watcher.epoch(_shown(epoch)),
        should_stop=should_stop,
    )
    write_text(evaluator.folder / SHARING, _json(plan, shared))
    evaluator.known = {
        str(architecture): {"shared_val_accuracy": accuracy}
        for architecture, accuracy in shared.architectures
        if accuracy is not None
    }
    found = tuple(str(architecture) for architecture, _ in shared.architectures)
    return replace(plan, strategy=replace(plan.strategy, architectures=found))


def _shown(epoch: SharedEpoch) -> Epoch:
    return Epoch(epoch.epoch, epoch.epochs, epoch.train_loss, None, epoch.lr, epoch.seconds)


def _json(plan: Plan, shared: Shared) -> str:
    found = [[str(architecture), accuracy] for architecture, accuracy in shared.architectures]
    options = {}
    if shared.curve and shared.curve[0].weights:
        options = {edge.name: edge.options for edge in _edges(plan.space)}
    curve = [{**asdict(epoch), "options": options} for epoch in shared.curve]
    return json.dumps({"architectures": found, "curve": curve})


def _edges(space: Space) -> tuple[Choice, ...]:
    """What weights are of: the decisions of the relaxed space, or of the space."""
    try:
        return space.relaxation().edges
    except ConfigError:
        return space.decisions
