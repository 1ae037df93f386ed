"""A table of networks that fits a terminal: numbers in columns, notations below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nascout.cli.console import print_table, say

if TYPE_CHECKING:
    from nascout.gallery import Entry, Gallery

__all__ = ["show_networks"]

COLUMNS = {
    "retrained_val_accuracy": "val %",
    "test_accuracy": "test %",
    "val_accuracy": "search val %",
    "params": "params",
    "macs": "MACs",
    "latency_ms": "ms (table)",
    "measured_latency_ms": "ms (measured)",
}


def show_networks(gallery: Gallery, entries: Sequence[Entry], title: str) -> None:
    """Print what is known of ``entries``, in their order, and what the columns mean."""
    frame = gallery.frame().set_index("digest").loc[[entry.digest for entry in entries]]
    shown = [name for name in COLUMNS if name in frame and frame[name].notna().any()]
    frame = frame[shown].rename(columns=COLUMNS)
    frame.insert(0, "#", range(1, len(frame) + 1))
    print_table(frame, title=title)
    for number, entry in enumerate(entries, 1):
        say(f"#{number}  {entry.architecture}")
    say("1 MAC = one multiply-add, FLOPs = 2 x MACs. val and test: after the final training;")
    say("search val: after the short one. Test images were used once, for this table.")
