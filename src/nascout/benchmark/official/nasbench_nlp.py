"""NAS-Bench-NLP's training logs: a JSON file per training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascout.benchmark.measure import Measure
from nascout.benchmark.official.json_files import read_json_files
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["read_nasbench_nlp"]


def read_nasbench_nlp(path: Path) -> Records:
    """Every log in a folder: ``recipe``, ``val_losses``, ``test_losses``, ``num_params``, ...

    A loss is in nats per word; noted are the best validation loss and the test loss of the same
    epoch, and their perplexities. Trainings of one recipe are numbered as seeds from 0 in the
    order of file names; those whose ``status`` is not ``OK`` or that have no losses are left out.

    The names were verified on a table of 200 logs, not on official files.

    Raises:
        DataError: no logs, or one without its recipe.
    """
    records = Records()
    trainings: dict[str, int] = {}
    for name, log in read_json_files(path):
        try:
            if log.get("status", "OK") != "OK" or not log["val_losses"]:
                continue
            recipe = str(log["recipe"])
            seed = trainings[recipe] = trainings.get(recipe, -1) + 1
            _put(records, recipe, seed, log)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise DataError(
                f"{name} is not a log of a training ({error!r})", "Give the official files only."
            ) from error
    if not len(records):
        raise DataError(f"{path} holds no finished trainings", "Give the folder of logs.")
    return records


def _put(records: Records, recipe: str, seed: int, log: Mapping[str, Any]) -> None:
    best = min(range(len(log["val_losses"])), key=log["val_losses"].__getitem__)
    data = log.get("data")
    for split in ("val", "test"):
        loss = float(log[f"{split}_losses"][best])
        for metric, value in (("loss", loss), ("perplexity", math.exp(loss))):
            measure = Measure(
                metric=metric,
                dataset=Path(data).name if data else None,
                split=split,
                seed=seed,
                higher_is_better=False,
            )
            records.put(recipe, measure, value)
    if "wall_times" in log:
        measure = Measure(metric="train_seconds", seed=seed, unit="s", higher_is_better=False)
        records.put(recipe, measure, sum(log["wall_times"]))
    records.put(recipe, Measure(metric="params", higher_is_better=False), log["num_params"])
