"""NAS-Bench-101's official files: JSON lines in a record file, with numbers in protocol buffers."""

from __future__ import annotations

import base64
import json
from collections import Counter
from functools import cache
from math import isqrt
from pathlib import Path
from typing import Any

from nascout.benchmark.measure import Measure
from nascout.benchmark.official.protobuf import fields
from nascout.benchmark.official.tfrecord import read_tfrecord
from nascout.benchmark.records import Records
from nascout.errors import ArchitectureError, DataError
from nascout.space.nasbench101 import NasBench101

__all__ = ["read_nasbench101"]

#: Fields of EvaluationData by number.
EVALUATION = {2: "train_seconds", 3: "train", 4: "val", 5: "test"}


def read_nasbench101(path: Path) -> Records:
    """Every training in ``nasbench_only108.tfrecord`` or ``nasbench_full.tfrecord``.

    A record is a JSON list: hash, epochs, the adjacency matrix as a text of 0 and 1, the labels
    joined by commas, and in base 64 a message ``ModelMetrics``: field 1, repeated, an
    ``EvaluationData`` (1 epoch, 2 seconds of training, 3 to 5 accuracies on train, validation and
    test) before, halfway through and after the training; field 2, trainable parameters.

    Trainings of one cell and length are seeds 0, 1, 2 in the order of the file; the true seeds are
    not in it. ``accuracy`` is after the training, ``halfway_accuracy`` halfway through it.

    Not verified on the official file itself, only on its form.

    Raises:
        IntegrityError: a checksum that does not hold.
        DataError: a file that is not of this form.
    """
    records, seen = Records(), Counter[tuple[str, int]]()
    cells: dict[str, str] = {}
    for line in read_tfrecord(path):
        try:
            digest, epochs, adjacency, labels, metrics = json.loads(line)
            evaluations, params = _metrics(base64.b64decode(metrics, validate=True))
            _, halfway, final = evaluations
            if digest not in cells:
                cells[digest] = _notation(adjacency, labels)
        except (ValueError, TypeError, ArchitectureError) as error:
            raise DataError(
                f"{path} holds a line that is no record ({error})", "Give the official file."
            ) from error
        cell, seed = cells[digest], seen[digest, epochs]
        seen[digest, epochs] += 1
        records.put_text(cell, "hash", digest)
        records.put(cell, Measure(metric="params", higher_is_better=False), params)
        for prefix, evaluation in (("halfway_", halfway), ("", final)):
            for name, value in evaluation.items():
                records.put(cell, _measure(prefix, name, epochs, seed), value)
    return records


def _notation(adjacency: str, labels: str) -> str:
    size = isqrt(len(adjacency))
    matrix = [[int(e) for e in adjacency[i * size : (i + 1) * size]] for i in range(size)]
    return str(NasBench101().from_matrix(matrix, labels.split(",")))


def _metrics(message: bytes) -> tuple[list[dict[str, float]], int]:
    evaluations, params = [], 0
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            found: dict[int, Any] = dict(fields(value))
            # Numbers that are 0 may be left out.
            evaluations.append({name: float(found.get(n, 0)) for n, name in EVALUATION.items()})
        elif number == 2:
            params = int(value)
    return evaluations, params


@cache
def _measure(prefix: str, name: str, epochs: int, seed: int) -> Measure:
    if name == "train_seconds":
        return Measure(
            metric=prefix + name,
            dataset="cifar10",
            epochs=epochs,
            seed=seed,
            higher_is_better=False,
            unit="s",
        )
    return Measure(
        metric=f"{prefix}accuracy",
        dataset="cifar10",
        split=name,
        epochs=epochs,
        seed=seed,
        higher_is_better=True,
        unit="fraction of 1",
    )
