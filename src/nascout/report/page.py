"""A template filled in: what every page of the reports has in common."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from nascout.printable import printable
from nascout.report.numbers import label

__all__ = ["render"]


def render(template: str, **values: Any) -> str:
    """The page of a template in this folder; whatever text is put in is escaped and inert.

    Args:
        template: the file's name. It may use the filters ``label``, of a metric, and ``svg``, for
            a drawing of ours that is put in as it is.
        values: all that the template names.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def inert(value: Any) -> str:
        return value if isinstance(value, Markup) else printable(str(value))

    environment = Environment(
        autoescape=True,
        finalize=inert,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(label=label, svg=Markup)
    text = files("nascout.report").joinpath(template).read_text(encoding="utf-8")
    return environment.from_string(text).render(**values)
