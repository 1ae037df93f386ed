"""Measuring a picked model on the test images, where its run has not done so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascout.api.search import checked_device, locked
from nascout.data import as_data
from nascout.errors import DataError
from nascout.gallery.family import Member
from nascout.run.growth.store import GrowthStore
from nascout.train import accuracy

__all__ = ["measure_test"]


def measure_test(
    folder: Path,
    config: Mapping[str, Any],
    member: Member,
    data: Any,
    options: Mapping[str, Any],
    *,
    device: str = "auto",
    store: str | None = None,
) -> None:
    """Store the accuracy of ``member`` on the test part.

    Args:
        folder: of the run.
        config: what it was started with.
        member: of the run, trained.
        data, options: for :func:`nascout.data.as_data`; the data that the run was grown on.
        device: where to measure.
        store: the database's URL, if the run was stored elsewhere than in the folder.

    Raises:
        DataError: other data, or data without a test part.
        StoreBusy: another process is working on the run.
    """
    loaded = as_data(data, **options)
    known = config["data"]
    if loaded.digest != known["digest"]:
        raise DataError(
            f"the run was grown on other data than this ({known['name']!r})",
            "Give the same data, with the same image size, as to grow.",
        )
    split = loaded.split(seed=config["seed"])
    if split.test is None:
        raise DataError(f"data {known['name']!r} has no test part", "Measure on data of your own.")
    where = checked_device(device)
    measured = accuracy(member.build(where), split.test, split, device=where)
    with locked(folder):
        opened = GrowthStore(folder, url=store)
        try:
            opened.write_test(member.model, measured)
        finally:
            opened.close()
