"""The built-in data set: 1,797 handwritten digits of 8 x 8 pixels, shipped with scikit-learn."""

from __future__ import annotations

import numpy as np
import torch

from nascout.data.arrays import Data
from nascout.data.assemble import assemble

__all__ = ["load_digits"]


def load_digits(test_fraction: float = 0.2) -> Data:
    """1,797 grey images in ten classes; pixel values 0 to 16 become 0 to 1, exactly.

    It has no official test part: a stratified fifth, always the same, is held out.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    images = torch.from_numpy((digits.images / 16).astype(np.float32))[:, None]
    return assemble(
        "digits", (images, digits.target), None, flip=False, test_fraction=test_fraction
    )
