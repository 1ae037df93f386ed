"""Trained weights in a run folder: content-addressed, so that damage shows."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from nascout.atomic import write_bytes
from nascout.errors import IntegrityError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SHARING", "find_weights", "save_weights", "verify"]

FOLDER = "weights"
# The epochs of shared weights and what was found; the weights themselves are a checkpoint.
SHARING = "sharing.json"


def save_weights(folder: Path, digest: str, net: nn.Module) -> Path:
    """Write ``net``'s state as ``weights/DIGEST-SHA256.safetensors`` (16 hex digits each)."""
    from safetensors.torch import save

    state = {name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}
    content = save(state)
    place = folder / FOLDER
    path = place / f"{digest[:16]}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    write_bytes(path, content)
    for old in place.glob(f"{digest[:16]}-*.safetensors"):
        if old != path:
            old.unlink()
    return path


def find_weights(folder: Path, digest: str) -> Path | None:
    """The weights of the network with this digest, or ``None``."""
    return next((folder / FOLDER).glob(f"{digest[:16]}-*.safetensors"), None)


def verify(path: Path) -> None:
    """Check a file whose name carries its digest; other names are not checked.

    Raises:
        IntegrityError: the content is not what was written.
    """
    named = re.fullmatch(r"[0-9a-f]{16}-([0-9a-f]{16})", path.stem)
    if named and hashlib.sha256(path.read_bytes()).hexdigest()[:16] != named[1]:
        raise IntegrityError(
            f"the weights {path} are damaged", "Delete the file and run the search again."
        )
