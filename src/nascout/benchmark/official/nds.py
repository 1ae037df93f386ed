"""NDS's JSON files: a list of models, each with its description and errors per epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nascout.benchmark.measure import Measure
from nascout.benchmark.official.json_files import read_json
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["read_nds"]


def read_nds(path: Path) -> Records:
    """Every model of a file such as ``DARTS.json``.

    A file is a list of models, or two lists called ``top`` and ``mid`` that are joined. A model
    has ``net``, the description, and ``test_ep_top1``, errors in percent after each epoch; where
    they are there, ``train_ep_top1``, ``params`` and ``flops`` are read as well. A description
    that was trained more than once has its trainings numbered as seeds from 0.

    Not verified on an official file.

    Raises:
        DataError: a file that is not of this form.
    """
    content = read_json(path)
    if isinstance(content, dict):
        content = [*content.get("top", ()), *content.get("mid", ())]
    records = Records()
    trainings: dict[str, int] = {}
    for number, model in enumerate(content if isinstance(content, list) else ()):
        try:
            _put(records, trainings, model)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise DataError(
                f"model {number} of {path} is not described ({error!r})", "Give the official file."
            ) from error
    if not len(records):
        raise DataError(f"{path} holds no models", "Give one of the official files.")
    return records


def _put(records: Records, trainings: dict[str, int], model: dict[str, Any]) -> None:
    architecture = json.dumps(model["net"], sort_keys=True, separators=(",", ":"))
    seed = trainings[architecture] = trainings.get(architecture, -1) + 1
    for split in ("test", "train"):
        errors = model["test_ep_top1"] if split == "test" else model.get("train_ep_top1")
        if errors:
            measure = Measure(
                metric="accuracy", split=split, seed=seed, higher_is_better=True, unit="%"
            )
            records.put(architecture, measure, 100 - errors[-1])
    for name in ("params", "flops"):
        if name in model:
            unit = "as in the file"
            measure = Measure(metric=name, higher_is_better=False, unit=unit)
            records.put(architecture, measure, model[name])
