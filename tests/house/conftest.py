"""The parsed source of the library, for the house rules."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, its text and its syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def room(self):
        """``graph`` for ``nascout.graph.ops``, ``""`` for the face itself."""
        return self.name.partition(".")[2].partition(".")[0]

    def names(self):
        """What ``__all__`` lists; None without one."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
                return ast.literal_eval(node.value)
        return None

    def functions(self):
        return [
            n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ]


@pytest.fixture(scope="session")
def modules():
    """Every module of the library."""
    found = []
    for path in sorted((ROOT / "nascout").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text("utf-8")
        found.append(Module(name, str(path.relative_to(ROOT)), text, ast.parse(text)))
    assert len(found) > 50
    return found
