import math
import re
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from nascout.report.numbers import duration, show
from nascout.report.plots import histogram, trade_off

SVG = "{http://www.w3.org/2000/svg}"


def words(svg):
    return [e.text for e in ElementTree.fromstring(svg).iter(SVG + "text")]


def test_a_plot_is_a_part_of_a_page():
    svg = trade_off([(1, 2), (3, 4)], [(1, 2)], [(1, 2)], x="params", y="val_accuracy")
    assert svg.startswith('<svg role="img" aria-label=')
    assert not re.search(r"<style|<metadata|<g id=|font-family|#010203", svg)
    assert "currentColor" in svg
    assert {"Params", "Validation accuracy, search (%)", "best"} <= set(words(svg))


def test_a_plot_is_the_same_text_whatever_the_caller_set():
    def plot():
        return trade_off([(1, 2), (3, 4)], [(1, 2)], [(1, 2)], x="macs", y="naswot")

    found = plot()
    with mpl.rc_context({"lines.linewidth": 7.0, "axes.facecolor": "red", "font.size": 30}):
        assert plot() == found
        assert mpl.rcParams["lines.linewidth"] == 7.0


def test_costs_that_span_much_are_drawn_on_a_logarithm():
    svg = trade_off([(1e3, 1), (1e4, 2), (1e6, 3)], [], [], x="params", y="naswot")
    assert {"1 k", "10 k", "100 k", "1 M"} <= set(words(svg))


def test_large_clouds_are_thinned():
    points = [(float(i), float(i % 7)) for i in range(9000)]
    assert trade_off(points, [], [], x="params", y="naswot").count("<use") < 2100


@pytest.mark.parametrize("values", [[1.0], [3e30] * 4, [0.0, 0.0], [-1e200, 1e200], [1e-300, 2]])
def test_histograms_of_odd_values(values):
    assert ElementTree.fromstring(histogram(values, values[:1], metric="naswot")) is not None


def test_metric_names_are_not_mathematics_nor_markup():
    svg = histogram([1.0, 2.0], [], metric="$\\frac{x$ <b>&é\x1b")
    assert "$\\frac{x$ <b>&??" in words(svg) and "\x1b" not in svg


def test_numbers_as_people_write_them():
    assert show("params", 999_999) == "1 M"
    assert show("params", 0) == "0" and show("macs", 12) == "12"
    assert show("activation_bytes", 12) == "12 B"
    assert show("latency_ms", 0.01234) == "0.0123 ms"
    assert show("test_accuracy", math.nan) == "–"
    assert duration(59.97) == "1 min 0 s" and duration(3599.9) == "1 h 0 min"
