"""In-memory labelled images: one loader per kind of source, one normalisation, one split rule.

>>> from nascout.data import load
>>> data = load("digits")
>>> data.input_shape, len(data.train), len(data.test), len(data.classes)
((1, 8, 8), 1438, 359, 10)
"""

from __future__ import annotations

from nascout.data.arrays import Arrays, Data, Split
from nascout.data.normalise import channel_statistics, normalise
from nascout.data.source import as_data, load
from nascout.data.targets import split_targets

__all__ = [
    "Arrays",
    "Data",
    "Split",
    "as_data",
    "channel_statistics",
    "load",
    "normalise",
    "split_targets",
]
