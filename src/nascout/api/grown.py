"""A growing run that was made: open its folder, pick from it. Needs no torch to look."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascout.atomic import write_text
from nascout.errors import ConfigError, StoreUnwritable
from nascout.gallery.family import Family, Member, described
from nascout.records import Constraint
from nascout.run.growth.store import FILE, GrowthStore

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nascout.network.export import Exported

__all__ = ["REPORT", "TABLE", "GrownRun", "is_grown"]

REPORT = "report.html"
TABLE = "gallery.csv"


class GrownRun:
    """The result of :func:`nascout.grow`, in memory or opened from its folder.

    Args:
        folder: what ``out`` was.
        model: what was grown, as it was given to ``grow``. Only needed to build networks, and
            only where the run cannot know it: it was a module, or its file has moved.
        store: the database's URL, if the run was stored elsewhere than in the folder.

    Raises:
        ConfigError: the folder holds no such run.
        StoreCorrupt: the store is damaged.

    Example:
        >>> GrownRun("no-such-folder")
        Traceback (most recent call last):
        nascout.errors.ConfigError: no growing run in no-such-folder. Give the out of a grow.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, model: Any = None, store: str | None = None
    ) -> None:
        self.folder = Path(folder)
        if store is None and not (self.folder / FILE).exists():
            raise ConfigError(f"no growing run in {self.folder}", "Give the out of a grow.")
        self._model, self._url = model, store
        self._read()

    def _read(self) -> None:
        opened = GrowthStore(self.folder, write=False, url=self._url)
        try:
            config = opened.config()
            if config is None:
                raise ConfigError(f"the run in {self.folder} never started", "Run grow.")
            self.config: dict[str, Any] = config
            self._records = tuple(opened.models()), tuple(opened.jobs())
        finally:
            opened.close()
        self.__dict__.pop("_family", None)

    @cached_property
    def _family(self) -> Family:
        models, jobs = self._records
        known = self._model is not None or self.config["model"]["kind"] != "module"
        return Family(
            models,
            jobs,
            self.config["objective"],
            tuple(Constraint.parse(text) for text in self.config["constraints"]),
            folder=self.folder,
            make=partial(_make, self.config, self._model) if known else None,
        )

    def gallery(self) -> Family:
        """Every model, ready to be looked at, picked and built."""
        return self._family

    def frame(self) -> pd.DataFrame:
        """One row per model: parent, what was added, costs, accuracies, on the front or not."""
        return self._family.frame()

    def pick(self, *constraints: str | Constraint) -> Member:
        """The most accurate model under ``constraints``; ``.build()`` is its network.

        Under one bound it was measured on the test images when the run ended; under several it
        may not have been, and has no ``test_accuracy`` then: see :meth:`tested`.

        Raises:
            Infeasible: none keeps them; says how close the nearest comes.
            AllFailed: nothing was trained.
        """
        return self._family.pick(*constraints)

    def tested(
        self,
        member: Member,
        data: Any,
        *,
        image_size: int | None = None,
        flip: bool | None = None,
        device: str = "auto",
    ) -> Member:
        """``member`` with its accuracy on the test images; measured and stored if it has none yet.

        Choose first, then ask: a test accuracy that something was chosen by is worth nothing.

        Args:
            member: of this run.
            data, image_size, flip: what the run was grown on, as it was given to ``grow``.
            device: where to measure.

        Raises:
            DataError: other data, or data without a test part.
            StoreBusy: another process is working on the run.
        """
        if "test_accuracy" in member.model.values:
            return member
        from nascout.api.picked import measure_test

        options = {"image_size": image_size, "flip": flip}
        measure_test(
            self.folder, self.config, member, data, options, device=device, store=self._url
        )
        self._read()
        return self._family[member.model.number]

    def genealogy(self, number: int) -> tuple[Member, ...]:
        """From the first model to that one, each grown from the one before it."""
        return self._family.genealogy(number)

    def export(
        self,
        member: Member,
        folder: str | os.PathLike[str],
        *,
        formats: Sequence[str] | None = None,
    ) -> Exported:
        """Write a model for others: its weights and recipe, and files that need no nascout.

        ``weights.safetensors`` and ``recipe.json`` are for
        :func:`nascout.growth.load_grown`; what else is written, and how it is checked, see
        :func:`nascout.export`.

        Raises:
            ExportError: a file that does not give the network's outputs back.
        """
        import json

        import torch

        from nascout.growth.recipe import recipe_of, save_grown
        from nascout.network.export import export

        net: Any = member.build()
        inputs = json.loads(recipe_of(net))["inputs"]
        examples = [torch.zeros(1, *shape, dtype=getattr(torch, name)) for shape, name in inputs]
        data = self.config["data"]
        line = [m.model for m in self.genealogy(member.model.number)]
        facts = {
            "model": member.model.number,
            "grown": [[one.number, described(one.added)] for one in line],
            "values": dict(member.model.values),
            "data": data["name"],
            **{name: data[name] for name in ("classes", "mean", "std")},
        }
        written = export(
            net, Path(folder), formats=formats, example_inputs=examples, metadata=facts
        )
        save_grown(net, folder)
        return written

    def summary(self) -> dict[str, str]:
        """What the run was, in words."""
        config, epochs = self.config, self.config["epochs"]
        amount = config["budget"]
        return {
            "model": config["model"]["name"],
            "data": config["data"]["name"],
            "objective": config["objective"],
            "constraints": ", ".join(config["constraints"]) or "none",
            "budget": f"{amount:g} {config['budget_unit']}",
            "method": config["method"],
            "mode": "cells" if config["cells"] else "macro",
            "operations": ", ".join(config["operations"]) or "the defaults",
            "recipe": config["recipe"]["name"],
            "epochs": ", ".join(f"{kind} {count}" for kind, count in epochs.items()),
            "seed": str(config["seed"]),
        }

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the HTML report (into the run's folder by default) and the gallery's table.

        Raises:
            StoreUnwritable: the place cannot be written; what stood there stays.
        """
        from nascout.report.family import write_family

        target = Path(path) if path is not None else self.folder / REPORT
        title = f"{self.config['model']['name']} grown on {self.config['data']['name']}"
        try:
            write_text(target.with_name(TABLE), self._family.csv())
            return write_family(target, self._family, title=title, summary=self.summary())
        except OSError as error:
            raise StoreUnwritable(
                f"cannot write {target} ({error.strerror})", "Give another path."
            ) from error

    def __repr__(self) -> str:
        return f"GrownRun({str(self.folder)!r}, {len(self._family)} models)"


def is_grown(folder: Path, store: str | None = None) -> bool:
    """Whether a growing run is in ``folder``, or its weights, where the store is elsewhere."""
    return (folder / FILE).exists() or (store is not None and (folder / "models").is_dir())


def _make(config: dict[str, Any], given: Any) -> nn.Module:
    """The model that the run started from; its weights do not matter."""
    from nascout.api.grow import remade

    return remade(config["model"], given, config["seed"])
