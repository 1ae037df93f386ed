"""What ``package.module:name`` or ``file.py:name`` refers to, in the user's own code."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nascout.errors import NascoutError

__all__ = ["brief", "import_object", "importable"]


def import_object(spec: str, error: type[NascoutError]) -> Any:
    """Import the module (which may lie in the current folder) or run the file; take the name.

    A file is run under a name of its own, so that it hides no installed module. It may import
    its neighbours.

    Raises:
        error: no such file, module or name, or code that fails.

    >>> import_object("math:pi", NascoutError)
    3.141592653589793
    """
    place, _, name = spec.rpartition(":")
    if _is_file(place) and not Path(place).is_file():
        raise error(f"no file {place}", "Check the path.")
    with importable(place):
        try:
            found = _run(Path(place)) if _is_file(place) else importlib.import_module(place)
        except (Exception, SystemExit) as problem:  # code that is not ours may raise anything
            raise error(
                f"cannot import {place!r}: {brief(problem, place)}",
                "Check the name and run it by itself.",
            ) from problem
    for part in name.split("."):
        if not hasattr(found, part):
            raise error(f"module {place!r} has no {name!r}", f"Write {place}:NAME.")
        found = getattr(found, part)
    return found


def brief(problem: BaseException, place: str) -> str:
    """What went wrong, in a line; where in ``place``, if that is a file it passed through."""
    text = f"{type(problem).__name__}: {str(problem).partition(chr(10))[0]}"
    frames = traceback.extract_tb(problem.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename).resolve() == Path(place).resolve()]
    return f"{text} (line {lines[-1]})" if lines else text


@contextmanager
def importable(place: str) -> Iterator[None]:
    """Let imports find the neighbours of the file ``place``; of a module, the current folder.

    A file's neighbours are forgotten again: another folder may have some of the same names.
    """
    folder = Path(place).parent.resolve() if _is_file(place) else Path.cwd()
    before = set(sys.modules)
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if _is_file(place):
            neighbours = {path.stem for path in folder.glob("*.py")}
            neighbours |= {path.parent.name for path in folder.glob("*/__init__.py")}
            for name in set(sys.modules) - before:
                if name.partition(".")[0] in neighbours:
                    del sys.modules[name]


def _is_file(place: str) -> bool:
    return place.endswith(".py")


def _run(path: Path) -> Any:
    name = f"nascout_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    # Dataclasses and inspection look a class's module up here.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
