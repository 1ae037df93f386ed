"""The page of a growing run is whole, inert, and shows every model."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from nascout.gallery.family import Family
from nascout.records import Outcome
from nascout.report.family import write_family
from nascout.report.family_tree import draw_family
from nascout.run.growth.records import Job, Model

HOSTILE = "</svg><script>alert(1)</script>\x1b[31m{{ 7*7 }}"


def family(count=6, place="layer1"):
    models, jobs = [], []
    for n in range(count):
        costs = {"params": 10 + n, "macs": 100 + 10 * n, "activation_bytes": 64, "latency_ms": 1.5}
        values = {**costs, "val_accuracy": 90.0 + n} if n != 3 else costs
        added = ((place, (("stem", "sep3"),)),) if n else ()
        outcome = Outcome.INFEASIBLE if n == 3 else Outcome.OK
        parent = (n - 1) // 2 if n else None
        models.append(Model(n, parent, added, outcome, values, "breaks it", elapsed=float(n)))
        jobs.append(Job(n, "child", n, parent, 0, "done", 1, outcome, "", 1.0, float(n)))
    jobs.append(Job(count, "candidates", count, 0, 0, "done", 1, Outcome.OOM, place, 1.0, 9.0))
    return Family(models, jobs, "macs")


def write(path, made):
    return write_family(path, made, title="run", summary={"seed": "0"}).read_text("utf-8")


def test_a_tree_has_a_box_per_model_and_a_line_per_birth():
    root = ElementTree.fromstring(draw_family(family()))
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert (names.count("rect"), names.count("path")) == (6, 5)
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert words[:2] == ["#0", "90.00 %"]
    assert "infeasible" in words
    # A parent stands above the middle of its children.
    x = {
        text.text: float(text.get("x")) for text in root.iter() if (text.text or "").startswith("#")
    }
    assert x["#0"] == pytest.approx((x["#1"] + x["#2"]) / 2, abs=0.1)
    assert draw_family(family()) == draw_family(family())


def test_no_box_covers_another():
    root = ElementTree.fromstring(draw_family(family(40)))
    boxes = [element for element in root.iter() if element.tag.endswith("rect")]
    corners = [(float(b.get("x")), float(b.get("y"))) for b in boxes]
    for i, (x, y) in enumerate(corners):
        for other_x, other_y in corners[:i]:
            assert abs(x - other_x) >= float(boxes[0].get("width")) or y != other_y


def test_a_long_line_of_descent_needs_no_recursion():
    models = [Model(n, n - 1 if n else None, (), None, {}) for n in range(3000)]
    assert draw_family(Family(models, [], "macs")).count("<rect") == 3000


@pytest.mark.slow
def test_the_page(tmp_path):
    text = write(tmp_path / "a.html", family())
    assert text == write(tmp_path / "b.html", family())
    assert "#5</strong>, +5.00 points against the first" in text
    assert "The front growing" in text
    assert "infeasible: breaks it" in text
    assert "default-src 'none'" in text
    assert not re.findall(r'(?:src|href)="[^#]', text)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


@pytest.mark.slow
def test_names_are_data(tmp_path):
    text = write(tmp_path / "a.html", family(place=HOSTILE))
    assert "script" not in Tags(text).tags
    assert "\x1b" not in text
    assert "{{ 7*7 }}" in text


@pytest.mark.slow
def test_a_run_that_made_nothing(tmp_path):
    text = write(tmp_path / "a.html", Family([], [], "macs"))
    assert "There is no model to show" in text
