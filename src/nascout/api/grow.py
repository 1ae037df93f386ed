"""``nascout.grow``: from a model and data to a gallery of larger ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascout.api.grown import GrownRun
from nascout.api.search import checked_device, locked
from nascout.api.targets import load_target
from nascout.data import Data, Split, as_data
from nascout.errors import AllFailed, ConfigError, Infeasible, Interrupted
from nascout.gallery.family import Family, described
from nascout.growth import cell_groups
from nascout.hardware.threads import suitable_threads
from nascout.network import build
from nascout.records import Constraint, Outcome, content_digest
from nascout.run.config import check_same, make_record
from nascout.run.growth.engine import Engine, Here, Workers
from nascout.run.growth.loop import grow_loop
from nascout.run.growth.plan import Budget, Epochs, GrowthPlan, recipe_for
from nascout.run.growth.records import Model
from nascout.run.growth.store import GrowthStore
from nascout.run.growth.weights import verified, weights_folder
from nascout.run.growth.workshop import Hooks, Workshop
from nascout.run.interrupt import Stopper, graceful
from nascout.run.watcher import Console, Watcher
from nascout.space import SPACES, Architecture
from nascout.train import Recipe, Stopped

__all__ = ["grow", "remade"]


def grow(
    model: nn.Module | Architecture | str,
    data: Any = "digits",
    *,
    weights: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "grown",
    example: Tensor | Sequence[Tensor] | None = None,
    leaf: Sequence[str | type[nn.Module]] = (),
    objective: str = "macs",
    constraints: Sequence[str] = (),
    budget: int | str | Budget = 12,
    operations: Sequence[str] = (),
    places: Sequence[str] = (),
    at_once: int = 3,
    inputs: int = 4,
    cells: bool | str | None = None,
    method: str = "petridish",
    recipe: str | Recipe = "growth",
    parent_epochs: int | None = None,
    candidate_epochs: int = 4,
    child_epochs: int = 8,
    seed: int = 0,
    workers: int = 1,
    device: str = "auto",
    image_size: int | None = None,
    flip: bool | None = None,
    store: str | None = None,
    progress: bool | Watcher = True,
) -> GrownRun:
    """Grow a model that you have into a gallery of larger ones; run again to resume.

    Args:
        model: a module with its weights, which stays as it is; ``"file.py:name"``, a function or
            class that gives one when called; or an architecture of a space. Only with the
            latter two does the run's folder know how to build the model again.
        data: what :func:`nascout.data.as_data` takes; what networks are trained and measured on.
        weights: a safetensors file for ``model``.
        out: folder of the run: store, weights of every model, ``report.html``, ``gallery.csv``.
        example: a batch to trace the model with; two images of the data by default.
        leaf: submodules not to look into, by name or class; see :func:`nascout.growth.trace`.
        objective: ``macs``, ``params``, ``activation_bytes`` or ``latency_ms`` (measured here).
        constraints: ``"latency_ms<=10"``; a child that breaks an upper bound is not trained.
        budget: children to train, or ``"2h"``, ``"30m"``, ``"90s"`` after which no step begins.
        operations: names of ``nascout.growth.OPERATIONS`` to try, instead of the defaults.
        places: patterns of names of places, such as ``"layer2.*"``; anywhere by default.
        at_once: places that one step tries.
        inputs: tensors that each of them may read.
        cells: add alike to all cells: True by the names of our own architectures, or a pattern;
            see :func:`nascout.growth.cell_groups`. By default for architectures that have cells.
        method: ``petridish``, ``petridish_code`` or ``archai``.
        recipe: how everything is trained: a name or a record; without drop-path.
        parent_epochs: to train ``model`` before anything else; by default 0, but as many as a
            child's where it comes without weights: from an architecture, or from code.
        candidate_epochs: of a parent with its candidates.
        child_epochs: of a child.
        seed: of everything random.
        workers: processes that do steps at the same time. More than one: what is grown from what
            depends on who is done first, and latencies are measured beside other work.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if there is one.
        image_size, flip: see :func:`nascout.data.load`.
        store: an SQLAlchemy URL to keep models and steps in, instead of SQLite in ``out``; the
            run has the name of the folder there. Weights stay in ``out``.
        progress: show a line per model, or a :class:`~nascout.run.watcher.Watcher` to be told.

    Raises:
        UnsupportedNetwork: the model cannot be traced; names the construct and the way out.
        ConfigError, UnknownName, DataError: options or data that cannot be used.
        RunMismatch: ``out`` holds another run.
        StoreBusy: another process is working on it.
        Infeasible, AllFailed: the model breaks a constraint, or nothing could be trained.
        Interrupted: a signal; run again to go on.

    Example:
        >>> run = grow("model.py:make_model", "digits", weights="w.safetensors")  # doctest: +SKIP
        >>> run.frame(), run.pick("latency_ms<=10").build()                      # doctest: +SKIP
    """
    if workers < 1:
        raise ConfigError(f"workers={workers}", "Give at least one.")
    loaded = as_data(data, image_size=image_size, flip=flip)
    subject = _subject(model, loaded, seed)
    if parent_epochs is None:
        trained = weights is not None or isinstance(model, nn.Module)
        parent_epochs = 0 if trained else child_epochs
    plan = GrowthPlan(
        objective=objective,
        constraints=tuple(Constraint.parse(text) for text in _listed(constraints)),
        budget=Budget.parse(budget),
        operations=_listed(operations),
        places=_listed(places),
        at_once=at_once,
        inputs=inputs,
        cells=False if cells is None else cells,
        method=method,
        recipe=recipe_for(recipe),
        epochs=Epochs(parent_epochs, candidate_epochs, child_epochs),
        seed=seed,
    )
    workshop = Workshop(
        plan,
        subject.make,
        _examples(example, loaded),
        tuple([leaf] if isinstance(leaf, str | type) else leaf),
        loaded.split(seed=seed),
        Path(out),
        checked_device(device),
        Path(weights) if weights is not None else None,
    )
    watcher = progress if isinstance(progress, Watcher) else Console() if progress else Watcher()
    with suitable_threads(loaded.input_shape):
        workshop = _checked(workshop, cells, isinstance(subject.model, Architecture))
        return _grown(workshop, subject, loaded, workers, watcher, store)


def _listed(given: Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _examples(example: Tensor | Sequence[Tensor] | None, data: Data) -> tuple[Tensor, ...]:
    if example is None:
        return (data.batch(min(2, len(data.train)))[0],)
    return (example,) if isinstance(example, Tensor) else tuple(example)


def _checked(workshop: Workshop, cells: bool | str | None, is_ours: bool) -> Workshop:
    """What would fail in every step fails now; and cell mode where it is possible by default."""
    net = workshop.first()
    if cells is None and is_ours and not workshop.plan.places:
        try:
            cell_groups(net)
        except ConfigError:
            pass
        else:
            workshop = replace(workshop, plan=replace(workshop.plan, cells=True))
    workshop.groups(net, workshop.plan.seed)
    return workshop


def _grown(
    workshop: Workshop,
    subject: _Subject,
    data: Data,
    workers: int,
    watcher: Watcher,
    url: str | None,
) -> GrownRun:
    folder = workshop.folder
    with locked(folder), watcher, graceful() as stopper:
        store = GrowthStore(folder, url=url)
        try:
            _resume_or_start(store, _identity(workshop, subject, data))
            reason = _run(workshop, store, workers, watcher, stopper)
            _test_showpieces(workshop, store, GrownRun(folder, store=url).gallery())
            problem = _problem(reason, store)
        except (Interrupted, AllFailed, Infeasible):
            GrownRun(folder, store=url).report()
            raise
        finally:
            store.close()
        run = GrownRun(folder, model=subject.model, store=url)
        watcher.note(f"report: {run.report()}")
        if problem:
            watcher.note(problem)
        return run


def _identity(workshop: Workshop, subject: _Subject, data: Data) -> dict[str, Any]:
    """What decides the result; a resumed run must have the same."""
    split: Split = workshop.split
    weights = workshop.weights
    leaves = [leaf if isinstance(leaf, str) else leaf.__qualname__ for leaf in workshop.leaf]
    return {
        **workshop.plan.identity(),
        "model": {
            **subject.facts,
            "file": "" if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest(),
            "leaf": sorted(leaves),
        },
        "data": {
            "name": data.name,
            "digest": data.digest,
            "classes": list(data.classes),
            "mean": split.mean.tolist(),
            "std": split.std.tolist(),
        },
    }


def _resume_or_start(store: GrowthStore, identity: dict[str, Any]) -> None:
    stored = store.config()
    if stored is not None:
        check_same(stored, identity)
    if stored != identity:
        store.write_config(identity)


def _run(
    workshop: Workshop, store: GrowthStore, workers: int, watcher: Watcher, stopper: Stopper
) -> str:
    """The loop under signals; returns why it ended, or raises Interrupted if a signal ended it."""
    folder = workshop.folder
    engine: Engine
    if workers == 1:
        engine = Here(workshop, Hooks(watcher.epoch, stopper))
    else:
        engine = Workers(workshop, workers, stopper)
    try:
        return grow_loop(
            workshop.plan,
            store,
            engine,
            folder,
            check=lambda model: verified(weights_folder(folder, model.number), model.sha256),
            on_model=lambda model: watcher.note(_line(model, workshop.plan.objective)),
            should_stop=stopper,
        )
    except Stopped:
        raise Interrupted(stopper.signum, "Run the same command again to go on.") from None
    finally:
        engine.close()


def _line(model: Model, objective: str) -> str:
    """A model in a line."""
    words = [f"#{model.number}" + ("" if model.parent is None else f" from #{model.parent}")]
    if model.outcome is Outcome.OK:
        words.append(f"val {model.values['val_accuracy']:.2f} %")
    else:
        words.append(model.state)
    if objective in model.values:
        words.append(f"{objective} {model.values[objective]:,.6g}")
    return ", ".join([*words, *filter(None, [described(model.added)])])


def _test_showpieces(workshop: Workshop, store: GrowthStore, family: Family) -> None:
    """Measure on the test part, once, the models that a user may pick."""
    for member in family.showpieces():
        model = member.model
        if "test_accuracy" not in model.values:
            accuracy = workshop.test(model.number, model.sha256)
            if accuracy is not None:
                store.write_test(model, accuracy)


def _problem(reason: str, store: GrowthStore) -> str:
    """What to say of a run that ended before its budget.

    Raises:
        AllFailed: no step gave anything.
    """
    if reason == "done":
        return ""
    failed = [job for job in store.jobs() if job.outcome not in (None, Outcome.OK)]
    last = (failed[0].message.strip().splitlines() or ["nothing"])[-1]
    if reason == "failing" and not any(model.parent is not None for model in store.models()):
        raise AllFailed("every step failed", f"The first one said: {last}")
    if reason == "infeasible":
        return "stopped early: the last steps gave only models that break a constraint"
    return f"stopped early: the last steps all failed; the first said: {last}"


@dataclass(frozen=True, eq=False)
class _Subject:
    """A model: how to make it, and what identifies it."""

    model: Any
    make: Callable[[], nn.Module]
    facts: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Given:
    """Gives a module that is there."""

    module: nn.Module

    def __call__(self) -> nn.Module:
        return self.module


def _subject(model: Any, data: Data, seed: int) -> _Subject:
    if isinstance(model, str):
        model = _named(model, data)
    if isinstance(model, Architecture):
        facts = {"kind": "architecture", "name": str(model), "architecture": model.to_json()}
        return _Subject(model, partial(build, model, seed), facts)
    if isinstance(model, str):
        make: Callable[[], nn.Module] = partial(_from_code, model, seed)
        facts = {"kind": "code", "name": model.rpartition("/")[2], "source": model}
        return _Subject(model, make, facts | {"structure": _structure(make())})
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"cannot grow a {type(model).__name__}",
            'Give an nn.Module, an architecture, or "file.py:name".',
        )
    facts = {"kind": "module", "name": type(model).__name__, "structure": _structure(model)}
    return _Subject(model, _Given(model), facts | {"weights": _weights(model)})


def _named(text: str, data: Data) -> str | Architecture:
    """An architecture in NAS-Bench-201's notation, or a name in Python, with its whole path."""
    place, _, name = text.rpartition(":")
    if place.endswith(".py"):
        return f"{Path(place).resolve()}:{name}"
    channels = 8 if min(data.input_shape[1:]) < 16 else 16
    skeleton = {"channels": channels, "cells": 1}
    sizes = {"classes": len(data.classes), "input_shape": data.input_shape}
    space = make_record("space nasbench201", SPACES["nasbench201"], {**skeleton, **sizes})
    subject = load_target(text, space).subject
    return subject if isinstance(subject, Architecture) else text


def _from_code(text: str, seed: int) -> nn.Module:
    return load_target(text, SPACES["nasbench201"]()).make(seed)


def _structure(net: nn.Module) -> str:
    """Of the names, shapes and types of its state."""
    state = net.state_dict()
    return content_digest([[n, list(t.shape), str(t.dtype)] for n, t in state.items()])


def _weights(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in net.state_dict().values():
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def remade(facts: Mapping[str, Any], given: Any, seed: int) -> nn.Module:
    """The model that a run started from, without its weights.

    Args:
        facts: what the run knows of it.
        given: the model itself, its architecture or its code's name; None to go by ``facts``.
        seed: of the run.

    Raises:
        ConfigError: its code cannot be found.
    """
    if isinstance(given, nn.Module):
        return given
    if given is None and facts["kind"] == "architecture":
        given = Architecture.from_json(facts["architecture"])
    if isinstance(given, Architecture):
        return build(given, seed)
    return _from_code(facts["source"] if given is None else given, seed)
