"""From what a user names on the command line to a network that can be scored."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from torch import nn

from nascout.data.python_object import brief, import_object, importable
from nascout.errors import ArchitectureError, ConfigError
from nascout.network.program import load_program
from nascout.score.evaluate import Target as Subject
from nascout.score.evaluate import initialised
from nascout.space import Space

__all__ = ["Target", "load_target"]

PYTHON_NAME: Final = re.compile(r"(.+\.py|[\w.]+):[\w.]+")
BARE_NAME: Final = re.compile(r"[\w.-]+")
LIBRARIES: Final = ("timm", "torchvision")
FIXED: Final = "its weights are fixed: one seed, and the spread is not measured"


@dataclass(frozen=True)
class Target:
    """Something to score.

    Attributes:
        name: as the user wrote it; an architecture in its space's own notation.
        subject: what :func:`nascout.score` takes. A module has fixed weights, an architecture
            and a function from a seed are built anew for every seed.
        warnings: what to know about its scores.
    """

    name: str
    subject: Subject
    warnings: tuple[str, ...] = ()

    def make(self, seed: int = 0) -> nn.Module:
        """The network, initialised from ``seed`` if its weights are not fixed.

        Raises:
            ConfigError: the user's code fails, or gives no network.
        """
        return initialised(self.subject, seed)


def load_target(text: str, space: Space) -> Target:
    """What ``text`` names.

    Args:
        text: an architecture in the notation of ``space``; ``file.py:NAME`` or
            ``package.module:NAME``, where NAME is a class or function that gives an ``nn.Module``
            when called without arguments, or such a module; a ``.pt2`` file; a model of timm or
            torchvision, ``resnet18`` or ``timm:resnet18``. The user's code is run.
        space: whose architectures may be named.

    Raises:
        ConfigError: no such thing, a module that fails, or a library that is not there.
        ArchitectureError: text that looks like none of these.

    >>> from nascout.space import SPACES
    >>> target = load_target("torch.nn:Softmax", SPACES["nasbench201"]())
    >>> target.name, target.make(seed=1)
    ('torch.nn:Softmax', Softmax(dim=None))
    """
    try:
        architecture = space.parse(text)
    except ArchitectureError as error:
        found = _elsewhere(text, space)
        if found is None:
            raise ArchitectureError(
                error.problem,
                f"{error.remedy.rstrip('.')}, or FILE.py:NAME, package.module:NAME, FILE.pt2, or "
                "a model of timm or torchvision.",
            ) from error
        return found
    return Target(str(architecture), architecture)


def _elsewhere(text: str, space: Space) -> Target | None:
    """What ``text`` looks like, if it is no architecture."""
    library, _, model = text.partition(":")
    if text.endswith(".pt2"):
        return _program(text)
    if library in LIBRARIES and model:
        return _factory(text, _library_model(library, model))
    if PYTHON_NAME.fullmatch(text):
        return _from_code(text)
    return _factory(text, _bare_name(text, space)) if BARE_NAME.fullmatch(text) else None


def _program(text: str) -> Target:
    program = load_program(text)
    warnings = [FIXED]
    if program.keeps_statistics:
        warnings.append(
            "exported in eval mode: it keeps its running statistics (papers use the batch's) and "
            "drops nothing out"
        )
    return Target(text, program, tuple(warnings))


def _from_code(text: str) -> Target:
    found = import_object(text, ConfigError)
    if isinstance(found, nn.Module):
        return Target(text, found, (FIXED,))
    if not callable(found):
        raise ConfigError(
            f"{text} is a {type(found).__name__}",
            "Name an nn.Module, or a class or function that gives one.",
        )
    needed = _needed(found)
    if needed:
        raise ConfigError(
            f"{text} needs arguments ({', '.join(needed)})",
            "Name a function without arguments that gives the network.",
        )
    return _factory(text, found)


def _needed(function: Callable[..., Any]) -> list[str]:
    """The arguments without a default; none where Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]


def _factory(text: str, create: Callable[[], Any]) -> Target:
    """A target whose network is made anew for every seed."""
    return Target(text, partial(_make, text, create))


def _make(text: str, create: Callable[[], Any], _: int) -> nn.Module:
    place = text.rpartition(":")[0]
    with importable(place):
        try:
            net = create()
        except Exception as error:  # code that is not ours may raise anything
            raise ConfigError(
                f"{text} fails: {brief(error, place)}", "Mend it, and run it by itself."
            ) from error
    if not isinstance(net, nn.Module):
        raise ConfigError(f"{text} gives a {type(net).__name__}", "Let it return an nn.Module.")
    return net


def _bare_name(text: str, space: Space) -> Callable[[], Any]:
    """The constructor in the first library that knows the name."""
    reasons = []
    for library in LIBRARIES:
        try:
            return _library_model(library, text)
        except ConfigError as error:
            reasons.append(str(error))
    raise ConfigError(
        f"{text!r} is no architecture of {space.name}, and no model: {' '.join(reasons)}",
        "Or give FILE.py:NAME, package.module:NAME or FILE.pt2.",
    )


def _library_model(library: str, name: str) -> Callable[[], Any]:
    """The constructor of a model of timm or torchvision, without trained weights."""
    try:
        found = importlib.import_module("timm" if library == "timm" else "torchvision.models")
    except Exception as error:  # an installation may be broken in any way
        missing = isinstance(error, ModuleNotFoundError) and error.name == library
        reason = "is not installed" if missing else f"cannot be imported ({brief(error, '')})"
        raise ConfigError(
            f"{library} {reason}", f"pip install {library}, in a version for your torch."
        ) from error
    if library == "timm":
        known, create = found.is_model(name), partial(found.create_model, name, pretrained=False)
    else:
        known, create = name in found.list_models(), partial(found.get_model, name, weights=None)
    if not known:
        raise ConfigError(f"{library} has no model {name!r}", f"Look it up in {library}'s list.")
    return create
