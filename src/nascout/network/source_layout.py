"""Laying an expression out over lines: whole if it fits, else one argument or term per line."""

from __future__ import annotations

import ast

__all__ = ["COLUMNS", "layout"]

COLUMNS = 96


def layout(head: str, expression: str, indent: int) -> list[str]:
    """The lines of ``head`` followed by ``expression``, ``indent`` columns to the right.

    >>> layout("x = ", "f(a, b)", 4)
    ['    x = f(a, b)']
    """
    return _lines(head, ast.parse(expression, mode="eval").body, "", indent)


def _lines(head: str, node: ast.expr, tail: str, indent: int) -> list[str]:
    margin = " " * indent
    line = f"{margin}{head}{ast.unparse(node)}{tail}"
    if len(line) <= COLUMNS:
        return [line]
    inner = indent + 4
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        first, *rest = _terms(node)
        body = _lines("", first, "", inner)
        for term in rest:
            body += _lines("+ ", term, "", inner)
        return [f"{margin}{head}(", *body, f"{margin}){tail}"]
    if isinstance(node, ast.Call):
        body = [part for arg in node.args for part in _lines("", arg, ",", inner)]
        for word in node.keywords:
            body += _lines(f"{word.arg}=" if word.arg else "**", word.value, ",", inner)
        return [f"{margin}{head}{ast.unparse(node.func)}(", *body, f"{margin}){tail}"]
    if isinstance(node, ast.List):
        body = [part for item in node.elts for part in _lines("", item, ",", inner)]
        return [f"{margin}{head}[", *body, f"{margin}]{tail}"]
    return [line]


def _terms(node: ast.expr) -> list[ast.expr]:
    """``a + b + c`` as [a, b, c]; only the left side is opened, so the order of adding stays."""
    terms: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        terms.insert(0, node.right)
        node = node.left
    return [node, *terms]
