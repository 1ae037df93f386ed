"""One training of NAS-Bench-201 or NATS-Bench, as both store it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from nascout.benchmark.measure import Measure
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["put_trainings"]

#: What the benchmark's names of evaluations mean. On CIFAR-10 all of the original test images
#: are the test split; elsewhere they were divided in halves.
SPLITS = {"x-valid": "val", "x-test": "test", "ori-test": "val_and_test"}
WHOLE_TEST = ("cifar10", "cifar10-valid")


def put_trainings(records: Records, where: str, results: Mapping[str, Any]) -> None:
    """Note every training in one architecture's results.

    Noted are accuracies (top 1, percent) and losses of each split after the last epoch, seconds
    of training (the sum over epochs) and of one evaluation, and parameters and MACs by data set.
    The stored ``params`` and ``flop`` are millions, and ``flop`` are multiply-adds.

    Args:
        records: where to.
        where: what the file is called in messages.
        results: of one length of training: ``arch_str`` and ``all_results``, which maps
            (data set, seed) to a record.

    Raises:
        DataError: something that is expected is not there.
    """
    try:
        architecture = results["arch_str"]
        for (dataset, seed), record in results["all_results"].items():
            for measure, value in _numbers(dataset, int(seed), record):
                records.put(architecture, measure, float(value))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where} holds no record of a training ({error!r})", "Give the official file."
        ) from error


def _numbers(dataset: str, seed: int, record: Mapping[str, Any]) -> Iterable[tuple[Measure, Any]]:
    epochs = int(record["epochs"])
    last = epochs - 1
    run = dataset, epochs, seed
    yield _measure("accuracy", *run, "train"), record["train_acc1es"][last]
    yield _measure("loss", *run, "train"), record["train_losses"][last]
    for name in record["eval_names"]:
        split = "test" if name == "ori-test" and dataset in WHOLE_TEST else SPLITS[name]
        for metric, stored in (
            ("accuracy", "eval_acc1es"),
            ("loss", "eval_losses"),
            ("eval_seconds", "eval_times"),
        ):
            yield _measure(metric, *run, split), record[stored][f"{name}@{last}"]
    yield _measure("train_seconds", *run), sum(record["train_times"].values())
    yield _cost("params", dataset), round(record["params"] * 1e6)
    yield _cost("macs", dataset), round(record["flop"] * 1e6)


@cache
def _measure(
    metric: str, dataset: str, epochs: int, seed: int, split: str | None = None
) -> Measure:
    units = {"accuracy": "%", "train_seconds": "s", "eval_seconds": "s"}
    return Measure(
        metric=metric,
        dataset=dataset,
        split=split,
        epochs=epochs,
        seed=seed,
        higher_is_better=metric == "accuracy",
        unit=units.get(metric, ""),
    )


@cache
def _cost(metric: str, dataset: str) -> Measure:
    return Measure(metric=metric, dataset=dataset, higher_is_better=False)
