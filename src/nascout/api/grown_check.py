"""Whether a growing run is whole: store, models, recipes, weights, and what waits. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nascout.api.grown import GrownRun
from nascout.errors import IntegrityError
from nascout.gallery.family import Member
from nascout.records import Outcome
from nascout.run.growth.records import Job
from nascout.run.growth.weights import born_folder, verified, weights_folder

__all__ = ["Finding", "examined"]

RECIPE, WEIGHTS = "recipe.json", "weights.safetensors"
COPY = "Restore it from a copy, or grow again with another --out."
AGAIN = "Unless it is still running, the same command again goes on with it."


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        text: what was found.
        remedy: what to do about it; empty where nothing is to be done.
        is_damage: whether something is lost, rather than not done yet.
    """

    text: str
    remedy: str = ""
    is_damage: bool = False


def examined(run: GrownRun) -> Iterator[Finding]:
    """Look at everything that a growing run has on disk. (Opening it has checked every row.)

    Args:
        run: opened from its folder.
    """
    family = run.gallery()
    yield _store(run)
    yield from _code(run)
    for member in family.trained:
        yield _model(run, member)
    for job in family.jobs:
        if job.state != "done":
            yield _waiting(run, job)
    failed = [job for job in family.jobs if job.outcome not in (None, Outcome.OK)]
    if failed:
        last = (failed[-1].message.strip().splitlines() or ["nothing"])[-1]
        yield Finding(f"steps: {len(failed)} gave no model; the last said: {last}")
    untested = [m for m in family.showpieces() if "test_accuracy" not in m.model.values]
    if untested:
        numbers = ", ".join(str(m.model.number) for m in untested)
        yield Finding(
            f"test images: models {numbers} are on a front and were not measured on them",
            "The same command again does so, if the data has a test part.",
        )


def _store(run: GrownRun) -> Finding:
    family = run.gallery()
    jobs = [job.number for job in family.jobs]
    made = {job.model for job in family.jobs if job.kind == "child" or job.parent is None}
    lost = sorted(set(range(len(jobs))) - set(jobs))
    waiting = {job.model for job in family.jobs if job.kind == "parent" and job.state != "done"}
    models = sorted(made - waiting - {member.model.number for member in family.members})
    for name, numbers in (("step", lost), ("model", models)):
        if numbers:
            listed = ", ".join(map(str, numbers))
            return Finding(f"store: it has no row of {name} {listed}", COPY, is_damage=True)
    count = f"{len(family)} models, {len(jobs)} steps"
    return Finding(f"store: {count}, every one as it was written")


def _code(run: GrownRun) -> Iterator[Finding]:
    known = run.config["model"]
    if known["kind"] == "module":
        yield Finding(
            f"code: the run cannot build {known['name']} again, it was given as a module",
            "Open it as GrownRun(folder, model=...) to build networks.",
        )
    elif known["kind"] == "code":
        file = known["source"].rpartition(":")[0]
        if file.endswith(".py") and not Path(file).is_file():
            yield Finding(f"code: {file} is not there any more", "Give --model to nascout pick.")


def _model(run: GrownRun, member: Member) -> Finding:
    number = member.model.number
    folder = weights_folder(run.folder, number)
    try:
        verified(folder, member.model.sha256)
    except IntegrityError as error:
        return Finding(f"model {number}: {error.problem}", error.remedy, is_damage=True)
    added = [step for one in run.genealogy(number) for step in one.model.added]
    problem = _recipe_problem(folder / RECIPE, added)
    if problem:
        return Finding(f"model {number}: {folder / RECIPE} {problem}", COPY, is_damage=True)
    return Finding(f"model {number}: weights and recipe as they were written")


def _recipe_problem(path: Path, added: list[tuple[str, tuple[tuple[str, str], ...]]]) -> str:
    """Why a recipe is not the one that the store tells; empty if it is."""
    try:
        listed = json.loads(path.read_text("utf-8"))["additions"]
        found = [(one["place"], tuple((a, b) for a, b in one["kept"])) for one in listed]
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError):
        return "is damaged"
    # What the run was started from may have been grown before.
    return "" if found[len(found) - len(added) :] == added else "is of another model"


def _waiting(run: GrownRun, job: Job) -> Finding:
    state = "waits" if job.state == "waiting" else "was under way"
    text = f"step {job.number} ({job.kind}, model {job.model}): {state}, begun {job.attempts} times"
    born = born_folder(run.folder, job.model)
    missing = [name for name in (RECIPE, WEIGHTS) if not (born / name).is_file()]
    if job.kind == "child" and missing:
        return Finding(f"{text}; {born} lacks {', '.join(missing)}", COPY, is_damage=True)
    return Finding(text, AGAIN)
