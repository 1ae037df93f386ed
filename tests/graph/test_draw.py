import random
import re
from xml.etree import ElementTree

import pytest

from nascout.errors import GraphError
from nascout.graph import Builder
from nascout.graph.draw import draw
from nascout.graph.layout import Box, _crossings, _settle
from nascout.graph.ops import Add, BatchNorm, Concat, Conv2d, Identity, ReLU
from nascout.space import SPACES

SVG = "{http://www.w3.org/2000/svg}"
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"


def parts(svg, tag):
    return list(ElementTree.fromstring(svg).iter(SVG + tag))


def labels(svg):
    return sorted(e.text for e in parts(svg, "text"))


@pytest.fixture
def cell():
    space = SPACES["nasbench201"](channels=4, input_shape=(3, 8, 8))
    return space.picture(space.parse(CELL))


def test_chains_are_one_box_and_a_skip_is_a_dashed_line(cell):
    svg = draw(cell)
    words = [w for w in labels(svg) if "×" not in w]
    assert words == ["+", "avg_pool_3x3", "in", "nor_conv_1x1", "nor_conv_3x3", "output"]
    dashed = [e for e in parts(svg, "path") if "stroke-dasharray" in e.attrib]
    assert len(dashed) == 1
    assert "1->2/skip_connect/identity" in dashed[0].find(SVG + "title").text


def test_expanded_shows_every_node_and_its_shape(cell):
    svg = draw(cell, expand=True)
    assert len(parts(svg, "rect")) + len(parts(svg, "circle")) == len(cell) + 1
    assert labels(svg).count("4×8×8") == len(cell)  # every node but the sum, and the output
    assert "Conv2d 3×3" in labels(svg)


def test_tooltips_say_key_attributes_shape_and_params(cell):
    tips = "\n".join(e.text for e in parts(draw(cell), "title"))
    # 4 × 4 × 3 × 3 weights
    assert "cell/0->1/nor_conv_3x3/conv2d: Conv2d(out=4, kernel=3" in tips
    assert "→ 4×8×8, 144 params" in tips


def test_concatenation_and_an_unread_branch_and_two_outputs():
    g = Builder()
    x = g.input((3, 8, 8))
    y = g.node(Concat(), x, x, key="both")
    svg = draw(g.graph(y, x))
    assert {"∥", "output 1", "output 2"} <= set(labels(svg))
    joined = [e.attrib["d"] for e in parts(svg, "path")]
    assert len(set(joined)) == len(joined)  # the two lines into the junction are told apart


def test_an_identity_of_an_identity_reaches_its_reader():
    g = Builder()
    x = g.input((3, 8, 8))
    y = g.node(Identity(), g.node(Identity(), x, key="a"), key="b")
    svg = draw(g.graph(g.node(ReLU(), y, key="relu")))
    (line,) = (e for e in parts(svg, "path") if "stroke-dasharray" in e.attrib)
    assert line.find(SVG + "title").text.splitlines() == [
        "a: Identity() → 3×8×8",
        "b: Identity() → 3×8×8",
    ]


def test_names_are_inert():
    g = Builder()
    hostile = "<script>alert(1)</script>\x1b[31m\" onload='x'\ud800"
    y = g.node(BatchNorm(), g.input((3, 8, 8)), key=hostile)
    svg = draw(g.graph(y), title=hostile)
    assert not parts(svg, "script")  # and it is well-formed
    assert "\x1b" not in svg and "\ud800" not in svg
    elements = ElementTree.fromstring(svg).iter()
    assert not any(name.startswith("on") for e in elements for name in e.attrib)


def test_nothing_is_loaded_from_elsewhere(cell):
    svg = draw(cell, title="cell")
    assert re.findall(r"https?:[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"url\(|href|<style|<script|@import", svg)


@pytest.mark.parametrize("name", ["nasbench201", "freeform"])
def test_boxes_stay_apart_inside_the_picture_and_the_text_is_reproducible(name):
    space = SPACES[name]()
    for seed in range(4):
        graph = space.picture(space.sample(random.Random(seed)))
        svg = draw(graph)
        assert svg == draw(graph)
        width, height = (float(ElementTree.fromstring(svg).attrib[k]) for k in ("width", "height"))
        boxes = [
            tuple(float(e.attrib[k]) for k in ("x", "y", "width", "height"))
            for e in parts(svg, "rect")
        ]
        for x, y, w, h in boxes:
            assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        for i, (x, y, w, h) in enumerate(boxes):
            for x2, y2, w2, h2 in boxes[:i]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_crossings_equal_the_definition():
    rng = random.Random(0)
    upper, lower = list(range(6)), list(range(6, 12))
    below = [[rng.choice(lower) for _ in range(rng.randrange(4))] for _ in upper] + [[]] * 6
    lines = [(a, b) for a in upper for b in below[a]]
    crossed = sum((a - c) * (b - d) < 0 for a, b in lines for c, d in lines) // 2
    assert _crossings([upper, lower], below) == crossed


def test_settling_takes_what_is_wanted_where_it_fits_and_the_mean_where_not():
    boxes = [Box("norm", "a"), Box("norm", "b")]  # 56 wide, 22 apart
    _settle(boxes, [0, 1], [0.0, 200.0])
    assert [box.x for box in boxes] == [0.0, 200.0]
    _settle(boxes, [0, 1], [10.0, 10.0])
    assert [box.x for box in boxes] == [10.0 - 39.0, 10.0 + 39.0]


def test_shapes_that_do_not_fit_are_named():
    g = Builder()
    x = g.input((3, 8, 8))
    y = g.node(Add(), x, g.node(Conv2d(4, 3), x, key="conv"), key="sum")
    with pytest.raises(GraphError, match="'sum'"):
        draw(g.graph(y))


def test_a_whole_network_is_drawn_in_reasonable_time():
    space = SPACES["nasbench201"](cells=2)
    svg = draw(space.sample(random.Random(1)).graph())
    assert {"stem", "head", "output"} <= set(labels(svg))
