"""What a search is: everything that decides its result, and how much of it to do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from nascout.errors import ConfigError, RunMismatch

__all__ = ["SearchConfig", "check_options", "check_same", "make_record", "read_toml"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The options of a search, as given on the command line, in TOML or in Python.

    Attributes:
        data: what to load, see :func:`nascout.data.load`.
        image_size: resize images to this side.
        flip: whether a mirrored image keeps its class; as the data says by default.
        space: name of the space.
        space_options: its skeleton's parameters, such as ``channels`` and ``cells``.
        strategy: name of the strategy.
        strategy_options: its knobs, such as ``shortlist`` and ``final_epochs``.
        score: the training-free score to search by.
        objectives: ``"max:NAME"``, ``"min:NAME"``; the score, latency and params by default.
        constraints: ``"params<=500000"``; on params, macs, flops, activation_bytes, latency_ms.
        budget: architectures to score; the strategy's own default if not given.
        seed: of everything random.
    """

    data: str = "digits"
    image_size: int | None = None
    flip: bool | None = None
    space: str = "nasbench201"
    space_options: Mapping[str, Any] = field(default_factory=dict)
    strategy: str = "funnel"
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    score: str = "default"
    objectives: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    budget: int | None = None
    seed: int = 0


def check_options(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that ``owner`` does not have.

    Raises:
        ConfigError: names the first such option, and the ones there are.
    """
    for name in given:
        if name not in known:
            raise ConfigError(f"{owner} has no option {name!r}", f"It has {', '.join(known)}.")


def make_record(owner: str, kind: type[T], options: Mapping[str, Any]) -> T:
    """``kind(**options)``, with an error that names an option ``kind`` does not have.

    Raises:
        ConfigError: an unknown option, or a value of another type than the default's.
    """
    defaults = {f.name: f.default for f in fields(kind)}  # type: ignore[arg-type]
    check_options(owner, options, defaults)
    for name, value in options.items():
        default = defaults[name]
        if isinstance(default, int | float) and not isinstance(value, int | float):
            raise ConfigError(f"{owner}: {name} = {value!r}", f"Give a number, such as {default}.")
    return kind(**options)


def read_toml(path: Path) -> dict[str, Any]:
    """The options in a TOML file, named as the fields of :class:`SearchConfig`.

    Raises:
        ConfigError: no such file, not TOML, or an unknown option.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content: dict[str, Any] = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", "Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML ({error})", "Mend that line.") from None
    known = dict.fromkeys([f.name for f in fields(SearchConfig)] + ["device", "out", "store"])
    check_options(str(path), content, known)
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}


def check_same(stored: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse to go on with a run that was something else; the budget may grow.

    Raises:
        RunMismatch: names the first option that differs, with both values.
    """
    flat_stored, flat_given = _flat(stored), _flat(given)
    for key in flat_given | flat_stored:
        old, new = flat_stored.get(key), flat_given.get(key)
        if old == new or (key == "budget" and old is not None and new is not None and new > old):
            continue
        if key == "budget":
            raise RunMismatch(
                f"the run was asked for budget {old}, now for {new}", "A budget can only grow."
            )
        raise RunMismatch(
            f"the run in this folder has {key} = {old!r}, now it is {new!r}",
            "Give the same options to resume it, or another --out for a new run.",
        )


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
