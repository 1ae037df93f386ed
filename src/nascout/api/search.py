"""``nascout.search``: from data to a trained, exported network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from nascout.api.run import Run
from nascout.data import Data, as_data
from nascout.errors import (
    AllFailed,
    ConfigError,
    Infeasible,
    Interrupted,
    StoreBusy,
    StoreUnwritable,
)
from nascout.gallery import Entry
from nascout.hardware.threads import suitable_threads
from nascout.network.export import export
from nascout.run.config import SearchConfig, check_options, check_same
from nascout.run.evaluator import Evaluator
from nascout.run.interrupt import graceful
from nascout.run.loop import loop
from nascout.run.own_loop import OwnLoop, own_name
from nascout.run.plan import Plan, make_plan
from nascout.run.sharing import share_weights
from nascout.run.store import Store
from nascout.run.watcher import Console, Watcher
from nascout.space import Space
from nascout.train import Stopped

__all__ = ["checked_device", "locked", "search"]

EXPORT = "best"


def search(
    space: str | Space = "nasbench201",
    data: Any = "digits",
    *,
    evaluate: OwnLoop | None = None,
    out: str | os.PathLike[str] = "nascout-run",
    device: str = "auto",
    store: str | None = None,
    progress: bool | Watcher = True,
    **options: Any,
) -> Run:
    """Find, train and export a network for ``data``; run again to resume.

    Args:
        space: the name of a space, or one with its skeleton set.
        data: what :func:`nascout.data.as_data` takes: ``"digits"``, a path, arrays, a dataset.
        evaluate: trains and measures in place of our recipes: gets the network and the epochs
            that the strategy grants, trains it in place, and returns a dict with at least
            ``val_accuracy``, higher is better (see :mod:`nascout.run.own_loop`). ``data`` still
            says what networks are built for and scored on.
        out: folder of the run: store, checkpoints, weights, ``report.html``, ``gallery.csv``, and
            the exported network in ``best/``.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if there is one.
        store: an SQLAlchemy URL to keep the trials in, instead of SQLite in ``out``.
        progress: show bars, or a :class:`~nascout.run.watcher.Watcher` to be told instead.
        options: the other fields of :class:`~nascout.run.config.SearchConfig`: ``strategy``,
            ``score``, ``objectives``, ``constraints``, ``budget``, ``seed``, ...

    Returns:
        The finished run.

    Raises:
        ConfigError, UnknownName, DataError: options or data that cannot be used.
        RunMismatch: ``out`` holds another run.
        StoreBusy: another process is working on it.
        Infeasible, AllFailed: nothing to show; what was tried is stored.
        Interrupted: a signal; run again to go on.

    Example:
        >>> run = search(data="digits", budget=64, seed=1, out="run")       # doctest: +SKIP
        >>> run.gallery().pareto(), run.best.build()                         # doctest: +SKIP
    """
    config = _config({**options, **({} if isinstance(space, Space) else {"space": space})})
    loaded = as_data(data, image_size=config.image_size, flip=config.flip)
    plan = make_plan(config, loaded, space if isinstance(space, Space) else None)
    device = checked_device(device)
    folder = Path(out)
    watcher = progress if isinstance(progress, Watcher) else Console() if progress else Watcher()
    with locked(folder), watcher, suitable_threads(loaded.input_shape):
        database = Store.at_url(store, folder.name) if store else Store.in_folder(folder)
        try:
            identity = plan.identity(loaded)
            if evaluate is not None:
                identity["recipes"] = own_name(evaluate)
            _resume_or_start(database, identity)
            evaluator = Evaluator(plan, loaded, folder, device, evaluate)
            reason = _run(plan, database, evaluator, watcher)
        except (Interrupted, AllFailed):
            Run(folder, store=store).report()
            raise
        finally:
            database.close()
        return _finish(Run(folder, store=store), reason, loaded, evaluator, watcher)


def _config(options: Mapping[str, Any]) -> SearchConfig:
    check_options("search", options, [f.name for f in fields(SearchConfig)])
    listed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    return SearchConfig(**listed)


def _run(plan: Plan, store: Store, evaluator: Evaluator, watcher: Watcher) -> str:
    """The loop under signals; returns why it ended, or raises Interrupted if a signal ended it."""
    with graceful() as stopper:
        try:
            if plan.method is not None:
                plan = share_weights(plan, evaluator, watcher, should_stop=stopper)
            return loop(
                plan.strategy,
                plan.space,
                store,
                evaluator,
                seed=plan.seed,
                watcher=watcher,
                should_stop=stopper,
            )
        except Stopped:
            raise Interrupted(stopper.signum, "Run the same command again to go on.") from None


def checked_device(name: str) -> str:
    """``name``, or what ``"auto"`` stands for.

    Raises:
        ConfigError: a device that is not available.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not available):
        raise ConfigError(
            f"device {name!r} is not available", "Use cpu, or auto to take what there is."
        )
    return name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run's folder; the lock goes with the process that holds it."""
    lock = FileLock(folder / "lock", timeout=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StoreBusy(
            f"another process is working on the run in {folder} (it holds {lock.lock_file})",
            "Wait for it or stop it, or give another --out.",
        ) from None
    except OSError as error:
        raise StoreUnwritable(
            f"cannot write {folder} ({error.strerror})", "Give write access, or another --out."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _resume_or_start(store: Store, identity: dict[str, Any]) -> None:
    stored = store.config()
    if stored is not None:
        check_same(stored, identity)
    if stored != identity:
        store.write_config(identity)


def _finish(run: Run, reason: str, data: Data, evaluator: Evaluator, watcher: Watcher) -> Run:
    """Report and export; both are made again if they are missing or out of date."""
    watcher.note(f"report: {run.report()}")
    # Without any success, this says what failed or how close the nearest candidate came.
    best = run.best
    if reason == "infeasible":
        raise Infeasible("no candidate satisfies the constraints", "Loosen one of them.")
    if reason == "exhausted":
        watcher.note("nothing new was left to sample before the budget was spent")
    target = run.folder / EXPORT
    if not _is_exported(target, best.digest):
        watcher.note(f"exporting the best network to {target}")
        export(best.build(), target, metadata=_card(best, data, evaluator))
    return run


def _is_exported(folder: Path, digest: str) -> bool:
    try:
        card = json.loads((folder / "model.json").read_text())
        return bool(card["metadata"]["digest"] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _card(best: Entry, data: Data, evaluator: Evaluator) -> dict[str, Any]:
    """What a user of the exported network has to know."""
    return {
        "architecture": str(best.architecture),
        "digest": best.digest,
        "space": best.architecture.to_dict(),
        "data": data.name,
        "classes": list(data.classes),
        "mean": evaluator.split.mean.tolist(),
        "std": evaluator.split.std.tolist(),
        "values": dict(best.values),
    }
