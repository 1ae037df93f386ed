"""A grown network on disk: what was added, as JSON, and its weights. Nothing is unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import fx, nn

from nascout.atomic import write_bytes, write_text
from nascout.errors import ConfigError, IntegrityError
from nascout.growth.addition import Addition, add
from nascout.growth.trace import trace

__all__ = ["grown_from", "load_grown", "recipe_of", "save_grown"]

FORMAT: Final = 1


def recipe_of(net: fx.GraphModule) -> str:
    """JSON of what was added to a traced network, in order, and of how it was traced.

    Together with the code of the first network it says everything but the weights. Equal recipes
    of one network are equal text.

    >>> from nascout.growth import trace
    >>> net = trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(2, 4))
    >>> json.loads(recipe_of(add(net, [Addition("1", (("0", "identity"),))])))["additions"]
    [{'place': '1', 'kept': [['0', 'identity']]}]
    """
    known = net.meta["nascout"]
    additions = [addition._asdict() for addition in known.get("additions", ())]
    return json.dumps(
        {"format": FORMAT, **{k: known[k] for k in ("inputs", "leaf")}, "additions": additions}
    )


def grown_from(model: nn.Module, recipe: str, *, seed: int = 0) -> fx.GraphModule:
    """``model`` with everything that a recipe says; what was added has new weights.

    Args:
        model: built by the code that the recipe's first network came from. If it was grown
            itself, the recipe begins with what it has, which is not added again.
        recipe: text of :func:`recipe_of`.
        seed: of the weights of what is added.

    Raises:
        ConfigError: no recipe, or one that does not fit the model; names the place.
        UnsupportedNetwork: the model cannot be traced.
    """
    try:
        content = json.loads(recipe)
        if content["format"] != FORMAT:
            raise ConfigError(
                f"growth recipe of format {content['format']!r}", f"This reads {FORMAT}."
            )
        example = [
            torch.zeros(2, *shape, dtype=getattr(torch, name)) for shape, name in content["inputs"]
        ]
        leaf = [str(name) for name in content["leaf"]]
        additions = [
            Addition(str(one["place"]), tuple((str(a), str(b)) for a, b in one["kept"]))
            for one in content["additions"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"this is no growth recipe ({error!r})", "Write it with nascout.growth.recipe_of."
        ) from None
    traced = trace(model, *example, leaf=leaf)
    known = list(traced.meta["nascout"].get("additions", ()))
    if additions[: len(known)] != known:
        raise ConfigError(
            "the recipe is of another network: the model has additions that it does not begin with",
            "Pass the model that the recipe's network grew from.",
        )
    return add(traced, additions[len(known) :], seed=seed)


def save_grown(net: fx.GraphModule, folder: str | os.PathLike[str]) -> Path:
    """Write ``recipe.json`` and ``weights.safetensors``, each whole or not at all.

    Raises:
        StoreFull: no space left.
        OSError: the folder cannot be written.
    """
    # Tied weights are written once per name, since safetensors holds no aliases.
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in net.state_dict().items()
    }
    write_bytes(Path(folder) / "weights.safetensors", save(state))
    return write_text(Path(folder) / "recipe.json", recipe_of(net)).parent


def load_grown(
    folder: str | os.PathLike[str], make_model: Callable[[], nn.Module]
) -> fx.GraphModule:
    """The network that :func:`save_grown` wrote, in evaluation mode.

    Args:
        folder: with the two files.
        make_model: builds the first network, as it was before anything was added; its weights
            do not matter.

    Raises:
        IntegrityError: files that are missing, damaged or of another network.
        ConfigError, UnsupportedNetwork: as :func:`grown_from`.
    """
    folder = Path(folder)
    try:
        recipe = (folder / "recipe.json").read_text("utf-8")
        state = load((folder / "weights.safetensors").read_bytes())
    except (OSError, UnicodeDecodeError, SafetensorError) as error:
        raise IntegrityError(
            f"no grown network can be read in {folder} ({error})", "Restore its two files."
        ) from None
    net = grown_from(make_model(), recipe)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise IntegrityError(
            f"the weights in {folder} are of another network ({reason})",
            "Pass the code that the network was grown from.",
        ) from None
    return net.eval()
