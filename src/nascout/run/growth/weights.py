"""Where the weights of a growing run are, and whether they are what was written. No torch."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final

from nascout.errors import IntegrityError
from nascout.run.growth.records import Job

__all__ = ["born_folder", "checkpoint_file", "sha256_of", "tidy", "verified", "weights_folder"]

WEIGHTS: Final = "weights.safetensors"


def weights_folder(run: Path, model: int) -> Path:
    """Where the recipe and the weights of a trained model are."""
    return run / "models" / str(model)


def born_folder(run: Path, model: int) -> Path:
    """Where a model is that was selected and is not trained yet."""
    return run / "born" / str(model)


def checkpoint_file(run: Path, job: Job) -> Path:
    """Where the training of ``job`` is, until its result is stored."""
    return run / "checkpoints" / f"{job.number}.safetensors"


def tidy(run: Path, job: Job) -> None:
    """Remove what only ``job`` needed. To be called once its result is stored, not before."""
    checkpoint_file(run, job).unlink(missing_ok=True)
    if job.kind == "child":
        shutil.rmtree(born_folder(run, job.model), ignore_errors=True)


def sha256_of(folder: Path) -> str:
    """Of the weights in ``folder``, 64 hex digits."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def verified(folder: Path, sha256: str) -> Path:
    """``folder``, if the weights in it are those that were written.

    Raises:
        IntegrityError: they are missing or damaged.
    """
    path = folder / WEIGHTS
    if not path.is_file() or sha256_of(folder) != sha256:
        raise IntegrityError(
            f"the weights {path} are {'damaged' if path.is_file() else 'missing'}",
            "Restore the folder from a copy, or grow again with another --out.",
        )
    return folder
