"""Doing one step of growth: measure a model, train it with candidates, train what was selected."""

from __future__ import annotations

import copy
import random
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, fx, nn

from nascout.data import Split
from nascout.errors import AllFailed, ConfigError, StoreFull
from nascout.growth import (
    attach,
    cell_groups,
    finalise,
    groups,
    load_grown,
    save_grown,
    select,
    thinned,
    trace,
)
from nascout.growth.places import Group
from nascout.hardware import measure_latency_ms
from nascout.network.cost import measured_cost
from nascout.network.memory import is_out_of_memory
from nascout.records import Outcome
from nascout.run.growth.plan import GrowthPlan, operations_by_kind
from nascout.run.growth.records import Job, Made
from nascout.run.growth.weights import (
    born_folder,
    checkpoint_file,
    sha256_of,
    verified,
    weights_folder,
)
from nascout.train import Diverged, Epoch, Stopped, Trained, accuracy, fit

__all__ = ["Hooks", "Workshop"]

SAVE_SECONDS: Final = 120  # that a training may lose when it is killed, if its epochs take longer


@dataclass(frozen=True)
class Hooks:
    """What a step tells and asks while it trains."""

    on_epoch: Callable[[Epoch], None] | None = None
    should_stop: Callable[[], bool] | None = None


@dataclass(frozen=True, eq=False)
class Workshop:
    """Everything that a step needs, so that any process can do it. Writes weights, and no row.

    Attributes:
        plan: the options.
        make: gives the first model; called for every step.
        weights: a safetensors file with its weights, where ``make`` does not give them.
        example: a batch that the model is traced with.
        leaf: submodules not to look into.
        split: what is trained on and measured.
        folder: of the run: ``models/``, ``born/`` (selected, not trained yet), ``checkpoints/``.
        device: where everything runs.
    """

    plan: GrowthPlan
    make: Callable[[], nn.Module]
    example: tuple[Tensor, ...]
    leaf: tuple[str | type[nn.Module], ...]
    split: Split
    folder: Path
    device: str
    weights: Path | None = None

    def first(self) -> fx.GraphModule:
        """The model that growth starts from, traced.

        Raises:
            UnsupportedNetwork: it cannot be traced.
            ConfigError: the weights cannot be read, or are of another network.
        """
        net = self.make()
        if self.weights is not None:
            net = copy.deepcopy(net)
            _load(net, self.weights)
        return trace(net, *self.example, leaf=self.leaf)

    def __call__(self, job: Job, hooks: Hooks) -> Made:
        """Do a step; only a stop that was asked for and a full disk get out as exceptions."""
        step = {"parent": self._parent, "candidates": self._candidates, "child": self._child}
        try:
            return step[job.kind](job, hooks)
        except (Stopped, StoreFull):
            # Not the step's doing: the run stops, and goes on when it is started again.
            raise
        except Diverged as error:
            return Made(Outcome.NONFINITE, message=str(error))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its outcome
            full = is_out_of_memory(error)
            if full and torch.cuda.is_available():
                torch.cuda.empty_cache()
            return Made(Outcome.OOM if full else Outcome.FAILED, message=traceback.format_exc())

    def _parent(self, job: Job, hooks: Hooks) -> Made:
        net = self.first()
        epochs = self.plan.epochs.parent
        trained = self._fit(net, job, epochs, hooks) if epochs else None
        return self._kept(net, job, trained)

    def _candidates(self, job: Job, hooks: Hooks) -> Made:
        parent = load_grown(weights_folder(self.folder, job.parent or 0), self.make)
        searched = attach(
            parent,
            self.groups(parent, job.seed),
            operations=operations_by_kind(self.plan.operations),
            method=self.plan.method,
            seed=job.seed,
        )
        trained = self._fit(searched, job, self.plan.epochs.candidates, hooks)
        additions = select(searched, self.plan.method)
        if not additions:
            raise AllFailed(
                "no candidate is above the threshold", "Train candidates longer, or lower its l1."
            )
        child = finalise(searched, additions, seed=job.seed)
        values, broken = self._costs(child)
        added = tuple((addition.place, addition.kept) for addition in additions)
        if broken:
            message = f"breaks {', '.join(broken)}"
            return Made(Outcome.INFEASIBLE, values, added, message, seconds=trained.seconds)
        save_grown(child, born_folder(self.folder, job.model))
        return Made(Outcome.OK, values, added, seconds=trained.seconds)

    def _child(self, job: Job, hooks: Hooks) -> Made:
        net = load_grown(born_folder(self.folder, job.model), self.make)
        trained = self._fit(net, job, self.plan.epochs.child, hooks)
        return self._kept(net, job, trained)

    def groups(self, net: fx.GraphModule, seed: int) -> tuple[Group, ...]:
        """Where one step tries something, and what it may read there: drawn from ``seed``.

        Raises:
            ConfigError: there is no such place.
        """
        rng = random.Random(seed)
        if self.plan.cells:
            pattern = () if self.plan.cells is True else (self.plan.cells,)
            found: Sequence[Group] = cell_groups(net, *pattern)
        else:
            wanted = self.plan.places or ("*",)
            allowed = [
                group
                for group in groups(net)
                if any(fnmatchcase(group[0].place, pattern) for pattern in wanted)
            ]
            chosen = rng.sample(range(len(allowed)), min(self.plan.at_once, len(allowed)))
            found = [allowed[i] for i in sorted(chosen)]
        if not found:
            raise ConfigError(
                f"the network has no place that matches {', '.join(self.plan.places) or '*'}",
                "Print nascout.growth.places(nascout.growth.trace(model, example)).",
            )
        return tuple(thinned(group, self.plan.inputs, rng) for group in found)

    def _fit(self, net: nn.Module, job: Job, epochs: int, hooks: Hooks) -> Trained:
        return fit(
            net,
            self.split,
            self.plan.recipe,
            epochs=epochs,
            seed=job.seed,
            device=self.device,
            checkpoint=checkpoint_file(self.folder, job),
            save_seconds=SAVE_SECONDS,
            on_epoch=hooks.on_epoch,
            should_stop=hooks.should_stop,
        )

    def _kept(self, net: fx.GraphModule, job: Job, trained: Trained | None) -> Made:
        """Measure a model that is ready and write its weights."""
        net = net.to(self.device)
        values: dict[str, float] = {}
        if job.kind == "parent":
            values, _ = self._costs(net)
        values["val_accuracy"] = (
            trained.val_metric
            if trained
            else accuracy(net, self.split.val, self.split, device=self.device)
        )
        folder = save_grown(net, weights_folder(self.folder, job.model))
        return Made(
            Outcome.OK,
            values,
            sha256=sha256_of(folder),
            seconds=trained.seconds if trained else 0.0,
        )

    def _costs(self, net: fx.GraphModule) -> tuple[dict[str, float], list[str]]:
        """What ``net`` costs for one input, and which constraints that breaks.

        The clock is looked at only if the static costs keep theirs.
        """
        net = net.to(self.device)
        sample = [tensor[:1].to(self.device) for tensor in self.example]
        values = measured_cost(net, *sample).as_dict()
        broken = self._broken(values)
        if not broken:
            shapes = [tuple(tensor.shape[1:]) for tensor in self.example]
            values["latency_ms"] = measure_latency_ms(net, *shapes, device=self.device)
            broken = self._broken(values)
        return values, broken

    def _broken(self, values: dict[str, float]) -> list[str]:
        """The upper bounds that are broken: what is too small can still grow."""
        known = [c for c in self.plan.constraints if c.upper and c.metric in values]
        return [str(c) for c in known if not c.holds(values)]

    def test(self, number: int, sha256: str) -> float | None:
        """Accuracy of a model on the test part, in percent; None where there is none."""
        if self.split.test is None:
            return None
        folder = verified(weights_folder(self.folder, number), sha256)
        net = load_grown(folder, self.make).to(self.device)
        return accuracy(net, self.split.test, self.split, device=self.device)


def _load(net: nn.Module, path: Path) -> None:
    try:
        net.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"the weights {path} cannot be read ({error})",
            "Write them with safetensors.torch.save_model(model, path).",
        ) from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"the weights {path} are of another network ({reason})", "Give those of this model."
        ) from None
