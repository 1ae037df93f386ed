import sys

import pytest

from nascout import registry
from nascout.errors import UnknownName
from nascout.registry import Registry


class Point:
    """An entry point of an installed package."""

    def __init__(self, name, load):
        self.name, self.load = name, load


@pytest.fixture
def installed(monkeypatch):
    """``installed(*points)``: entry points of any group; returns the groups asked for."""
    asked = []

    def install(*points):
        def entry_points(*, group):
            asked.append(group)
            return points

        monkeypatch.setattr(registry, "entry_points", entry_points)
        return asked

    return install


def test_names_are_unique_and_sorted():
    colours = Registry("colour")
    colours.add("red", 1)
    colours.decorator("blue")(2)
    assert list(colours) == ["blue", "red"]
    assert colours["red"] == 1
    with pytest.raises(ValueError, match="colour 'red' is registered twice"):
        colours.add("red", 3)
    assert colours["red"] == 1


def test_the_decorator_gives_back_what_it_registers():
    colours = Registry("colour")

    @colours.decorator("red")
    def red():
        return "#f00"

    assert red() == colours["red"]() == "#f00"


def test_unknown_names():
    colours = Registry("colour")
    colours.add("red", 1)
    assert "rad" not in colours
    with pytest.raises(UnknownName, match=r"unknown colour 'rad'\. Did you mean red"):
        colours["rad"]


def test_built_in_modules_load_when_a_name_is_missing(tmp_path, monkeypatch):
    (tmp_path / "palette_of_this_test.py").write_text(
        "from nascout.registry import Registry\nimport sys\n"
        "sys.modules['colours_of_this_test'].add('green', 7)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    colours = Registry("colour", modules=("palette_of_this_test",))
    monkeypatch.setitem(sys.modules, "colours_of_this_test", colours)
    colours.add("red", 1)
    assert colours["red"] == 1
    assert "palette_of_this_test" not in sys.modules
    assert colours["green"] == 7
    assert sys.modules.pop("palette_of_this_test")


def test_third_parties_are_asked_once_and_only_if_needed(installed):
    asked = installed(Point("mauve", lambda: "#e0b0ff"))
    colours = Registry("colour")
    colours.add("red", "#f00")
    assert colours["red"] == "#f00"
    assert asked == []
    assert colours["mauve"] == "#e0b0ff"
    assert list(colours) == ["mauve", "red"]
    assert asked == ["nascout.colours"]


def test_a_third_party_may_register_by_decorator(installed):
    colours = Registry("colour")
    installed(Point("mauve", lambda: colours.add("mauve", "#e0b0ff")))
    assert colours["mauve"] == "#e0b0ff"


def test_a_built_in_is_not_replaced(installed):
    colours = Registry("colour")
    colours.add("red", "#f00")
    installed(Point("red", lambda: "other"), Point("mauve", lambda: "#e0b0ff"))
    assert "mauve" in colours
    assert colours["red"] == "#f00"


def test_a_broken_third_party_does_not_hide_the_others(installed):
    def broken():
        raise ImportError("no module named paint")

    colours = Registry("colour")
    installed(Point("grey", broken), Point("mauve", lambda: "#e0b0ff"))
    with pytest.warns(UserWarning, match="grey"):
        assert "mauve" in colours
