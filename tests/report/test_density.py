from xml.etree import ElementTree

import numpy as np
import pytest

from nascout.report.density import density

SVG = "{http://www.w3.org/2000/svg}"


def words(svg):
    return [e.text for e in ElementTree.fromstring(svg).iter(SVG + "text")]


def points(n=500):
    return np.random.default_rng(0).normal(size=(2, n))


def test_accuracy_goes_right_and_the_score_up():
    found = density(*points(), x="c10_test", y="naswot")
    assert {"c10_test", "naswot", "networks per hexagon"} <= set(words(found.svg))
    assert found.shown == 500 and found.outside == 0
    # Hexagons, not a mark per network.
    assert found.svg.count("<use") < 400
    assert found == density(*points(), x="c10_test", y="naswot")


def heights(svg):
    """The labels of the score's axis by their height on the page, the lowest first."""
    found = {}
    for element in ElementTree.fromstring(svg).iter(SVG + "text"):
        if element.get("y") and element.text.lstrip("−-").replace(".", "").isdigit():
            x, y = float(element.get("x")), -float(element.get("y"))
            found.setdefault(round(x), []).append((y, float(element.text.replace("−", "-"))))
    column = found[min(x for x, labels in found.items() if len(labels) > 2)]
    return [value for _, value in sorted(column)]


def test_better_is_up_whichever_way_a_score_goes():
    x = np.linspace(0, 1, 50)
    up = heights(density(x, 10 * x, x="accuracy", y="score").svg)
    down = heights(density(x, 10 * x, x="accuracy", y="score", higher_is_better=False).svg)
    assert up == sorted(up) and len(up) > 2
    assert down == sorted(down, reverse=True) and len(down) > 2


def test_what_is_far_out_is_counted_and_what_is_not_finite_left_out():
    accuracy, score = points()
    accuracy[:3], score[10:12] = 1000, np.nan
    found = density(accuracy, score, x="accuracy", y="score")
    assert (found.shown, found.outside) == (495, 3)


@pytest.mark.parametrize(
    ("accuracy", "score"),
    [
        ([], []),
        ([1.0], [2.0]),
        ([1.0, 1.0], [5.0, 5.0]),
        ([1.0, 2.0, 3.0], [np.nan] * 3),
        ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        ([1.0, 2.0, 3.0, 4.0], [1e-9, 1.0, 1e6, 1e12]),
        ([1.0, 2.0, 3.0, 4.0], [-1e30, 0.0, 1e30, 2e30]),
    ],
)
def test_odd_columns_are_drawn(accuracy, score):
    found = density(accuracy, score, x="$x_$ <b>", y="é\x1b")
    assert ElementTree.fromstring(found.svg) is not None
    assert "\x1b" not in found.svg
