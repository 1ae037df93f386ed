"""Where the layers that have weights put their channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from torch.nn import functional as F

__all__ = ["CHANNELS"]

#: The dimension of a layer's output that holds its channels, counted from the last.
CHANNELS: Final[dict[Callable[..., Any], int]] = {
    F.linear: -1,
    **dict.fromkeys((F.conv1d, F.conv_transpose1d), -2),
    **dict.fromkeys((F.conv2d, F.conv_transpose2d), -3),
    **dict.fromkeys((F.conv3d, F.conv_transpose3d), -4),
}
