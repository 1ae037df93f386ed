"""Who grew from whom: a tree as SVG, one row per generation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nascout.gallery.family import Family, described
from nascout.printable import printable
from nascout.run.growth.records import Model

__all__ = ["draw_family"]

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 104.0, 84.0, 92.0, 40.0, 12.0
INK, LINE = "#1f2328", "#848d97"
FRONT, OTHER, NOTHING = ("#cfe3ff", "#4a8fe7"), ("#f6f8fa", "#6e7781"), ("#f3d9d9", "#b05050")


def draw_family(family: Family) -> str:
    """The tree of ``family``, the same text for equal families.

    A box is a model: its number and validation accuracy. Those on the front are blue, those that
    were not trained red. Pointing at a box shows what was added and what it costs.
    """
    models = [member.model for member in family.members]
    if not models:
        return ""
    front = {member.model.number for member in family.front()}
    place = _places(models)
    width = max(x for x, _ in place.values()) + WIDTH / 2 + MARGIN
    height = max(y for _, y in place.values()) + HEIGHT / 2 + MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="family tree" '
        'font-family="system-ui, sans-serif" font-size="12" text-anchor="middle">'
    ]
    for model in models:
        if model.parent is not None:
            parts.append(_line(place[model.parent], place[model.number]))
    parts += [_box(model, place[model.number], model.number in front) for model in models]
    return "\n".join([*parts, "</svg>\n"])


def _places(models: Sequence[Model]) -> dict[int, tuple[float, float]]:
    """Leaves side by side, a parent in the middle above its children."""
    children: dict[int | None, list[int]] = {}
    for model in models:
        children.setdefault(model.parent, []).append(model.number)
    place: dict[int, tuple[float, float]] = {}
    free = MARGIN + WIDTH / 2
    pending = [(number, 0, False) for number in reversed(children.get(None, []))]
    while pending:  # no recursion: a line of descent may be long
        number, depth, is_placed_below = pending.pop()
        below = children.get(number, [])
        if below and not is_placed_below:
            pending.append((number, depth, True))
            pending += [(child, depth + 1, False) for child in reversed(below)]
            continue
        if below:
            x = (place[below[0]][0] + place[below[-1]][0]) / 2
        else:
            x, free = free, free + COLUMN
        place[number] = (x, MARGIN + HEIGHT / 2 + depth * ROW)
    return place


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    y, to_y = y + HEIGHT / 2, to_y - HEIGHT / 2
    middle = (y + to_y) / 2
    curve = f"M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{curve}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'


def _box(model: Model, at: tuple[float, float], is_on_front: bool) -> str:
    x, y = at
    fill, stroke = (
        NOTHING if "val_accuracy" not in model.values else FRONT if is_on_front else OTHER
    )
    accuracy = model.values.get("val_accuracy")
    words = model.state if accuracy is None else f"{accuracy:.2f} %"
    costs = ", ".join(f"{name} = {value:.6g}" for name, value in model.values.items())
    tip = "\n".join([described(model.added) or "the model that growth started from", costs])
    return (
        f"<g><title>{_text(tip)}</title>"
        f'<rect x="{x - WIDTH / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{WIDTH:g}" '
        f'height="{HEIGHT:g}" rx="6" fill="{fill}" stroke="{stroke}" stroke-width="1.2"/>'
        f'<text x="{x:.1f}" y="{y - 3:.1f}" fill="{INK}" font-weight="600">#{model.number}</text>'
        f'<text x="{x:.1f}" y="{y + 13:.1f}" fill="{INK}">{_text(words)}</text></g>'
    )


def _text(text: str) -> str:
    return escape(printable(text))
