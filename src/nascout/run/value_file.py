"""Scores of networks, kept as they come: a file of JSON lines that survives a kill at any byte."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nascout.errors import StoreCorrupt, StoreFull, StoreUnwritable
from nascout.records import Outcome, Score, content_digest
from nascout.run.config import check_same

__all__ = ["ValueFile"]


class ValueFile:
    """What is known of each network, by digest and score, and which notation means which network.

    The first line is the configuration; every other line is one network's new scores, digests of
    notations, or function digests of networks, with a checksum. A last line without its end was
    cut off by a kill and is dropped. One process may write at a time; hold the folder's lock.

    Attributes:
        known: scores by digest and name.
        digests: by notation.
        functions: the function digest, by digest.

    Args:
        path: the file; it is made if there is none.
        config: what decides a value, as JSON-able data.

    Raises:
        RunMismatch: the file belongs to another configuration.
        StoreCorrupt: a whole line is not what was written.
        StoreUnwritable, StoreFull: the file cannot be written.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self.known: dict[str, dict[str, Score]] = {}
        self.digests: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        lines = self._whole_lines()
        if not lines:
            self._append([config])
            return
        check_same(self._read(lines[0], 1), config)
        for number, line in enumerate(lines[1:], 2):
            content = self._read(line, number)
            if "scores" in content:
                scores = {name: _score(name, given) for name, given in content["scores"].items()}
                self.known.setdefault(content["digest"], {}).update(scores)
            self.digests |= content.get("digests", {})
            self.functions |= content.get("functions", {})

    def add_scores(self, found: Iterable[tuple[str, Mapping[str, Score]]]) -> None:
        """Write scores, each network's with its digest; they are on the disk when this returns."""
        pairs = list(found)
        self._append(
            {"digest": digest, "scores": {n: _content(s) for n, s in scores.items()}}
            for digest, scores in pairs
        )
        for digest, scores in pairs:
            self.known.setdefault(digest, {}).update(scores)

    def add_digests(self, digests: Mapping[str, str]) -> None:
        """Write digests by notation; they are on the disk when this returns."""
        self._append([{"digests": dict(digests)}])
        self.digests |= digests

    def add_functions(self, functions: Mapping[str, str]) -> None:
        """Write function digests by digest; they are on the disk when this returns."""
        self._append([{"functions": dict(functions)}])
        self.functions |= functions

    def _whole_lines(self) -> list[bytes]:
        """The lines that were written to their end; what follows them is cut off the file."""
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
            end = content.rfind(b"\n") + 1
            if end < len(content):
                os.truncate(self.path, end)
        except OSError as error:
            raise self._refused(error) from error
        return content[:end].splitlines()

    def _append(self, contents: Iterable[Mapping[str, Any]]) -> None:
        """One line per content, all with one wait for the disk."""
        lines = [json.dumps({"checksum": content_digest(c), "content": c}) for c in contents]
        try:
            with self.path.open("ab") as file:
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._refused(error) from error

    def _read(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            read = json.loads(line)
            content: dict[str, Any] = read["content"]
            if read["checksum"] == content_digest(content):
                return content
        except (ValueError, KeyError, TypeError):
            pass
        raise StoreCorrupt(
            f"line {number} of {self.path} is not what was written",
            "Restore the file from a copy, or start again with another --out.",
        )

    def _refused(self, error: OSError) -> StoreFull | StoreUnwritable:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StoreFull(f"no space left to write {self.path}", "Free some and run again.")
        return StoreUnwritable(
            f"cannot write {self.path} ({error.strerror})", "Give write access, or another --out."
        )


def _content(score: Score) -> dict[str, Any]:
    # JSON has no infinity: a value that is not finite is its outcome and message.
    value = score.value if math.isfinite(score.value) else None
    return {
        "value": value,
        "higher_is_better": score.higher_is_better,
        "outcome": score.outcome.value,
        "message": score.message,
        "seconds": score.seconds,
    }


def _score(name: str, content: Mapping[str, Any]) -> Score:
    value = math.nan if content["value"] is None else content["value"]
    return Score(
        name,
        value,
        content["higher_is_better"],
        Outcome(content["outcome"]),
        message=content["message"],
        seconds=content["seconds"],
    )
