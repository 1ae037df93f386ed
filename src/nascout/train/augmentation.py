"""How training images are changed: a frozen record of the knobs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nascout.train.ranges import require

__all__ = ["Augmentation"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Crops, mirroring, RandAugment, cutout, mixup and CutMix, in this order.

    Attributes:
        crop_fraction: random crops after padding by this fraction of each side, rounded.
        flip: mirror half of the images; None leaves that to the data.
        randaugment: operations per image, see :mod:`nascout.train.randaugment`; 8-bit images only.
        magnitude: of these operations, 0 to 1; the paper's scale runs to 30 instead.
        cutout: side of the square that is cut out, as a fraction of the image's, see
            :mod:`nascout.train.cutout`; 0 for none.
        mixup: parameter of the Beta distribution of mixing weights; 0 for none.
        cutmix: the same for pasted rectangles; where both are given, each batch draws one.

    Raises:
        ConfigError: a value out of its range.

    >>> Augmentation().padding(32, 32)
    (4, 4)
    """

    crop_fraction: float = 0.125
    flip: bool | None = None
    randaugment: int = 0
    magnitude: float = 0.3
    cutout: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        rules = (
            ("crop_fraction", 0 <= self.crop_fraction <= 1, "from 0 to 1"),
            ("randaugment", self.randaugment >= 0, "to 0 or more"),
            ("magnitude", 0 <= self.magnitude <= 1, "from 0 to 1"),
            ("cutout", 0 <= self.cutout <= 1, "from 0 to 1"),
            ("mixup", 0 <= self.mixup < math.inf, "to 0 or more"),
            ("cutmix", 0 <= self.cutmix < math.inf, "to 0 or more"),
        )
        require("the augmentation", self, rules)

    def padding(self, height: int, width: int) -> tuple[int, int]:
        """Pixels to pad at (top and bottom, left and right) before cropping; halves round up."""
        return int(height * self.crop_fraction + 0.5), int(width * self.crop_fraction + 0.5)
