"""What the forward pass of a training is computed in."""

from __future__ import annotations

import torch

from nascout.errors import ConfigError

__all__ = ["half_precision"]

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def half_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """The type for ``torch.autocast``; None for float32 throughout.

    Args:
        precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``; see
            :func:`nascout.train.fit`.
        device: where it is computed.

    Raises:
        ConfigError: another precision, or one that the device does not have.

    Example:
        >>> half_precision("bfloat16", torch.device("cpu"))
        torch.bfloat16
    """
    on_cuda = device.type == "cuda"
    if precision == "auto":
        if not on_cuda:
            return None
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float16
    if precision not in PRECISIONS:
        raise ConfigError(
            f"precision = {precision!r}", f"Give auto or one of {', '.join(PRECISIONS)}."
        )
    if precision == "float16" and not on_cuda:
        raise ConfigError(
            f"precision = 'float16' on {device}", "Give bfloat16, whose range needs no scaled loss."
        )
    return PRECISIONS[precision]
