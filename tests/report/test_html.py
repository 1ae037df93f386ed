import errno
import os
import random
import re
from html.parser import HTMLParser

import matplotlib as mpl
import pytest

from nascout.errors import StoreFull
from nascout.gallery import Gallery
from nascout.records import Constraint, Objective, Outcome
from nascout.report import write_report
from nascout.search.history import Proposal, Trial
from nascout.space import SPACES

SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
OBJECTIVES = [Objective("naswot", True), Objective("latency_ms", False)]
SUMMARY = {"Space": "nasbench201", "Seed": "0"}
HOSTILE = (
    "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\x00{{ 7*7 }}"
)


def history(scored, trained=0, retrained=0):
    """Distinct architectures with made-up numbers."""
    rng, found = random.Random(0), {}
    while len(found) < scored:
        architecture = SPACE.sample(rng)
        found.setdefault(architecture.digest, architecture)
    plan = [(a, "score", 0) for a in found.values()]
    plan += [(a, "train", 12) for a in list(found.values())[:trained]]
    plan += [(a, "retrain", 200) for a in list(found.values())[:retrained]]
    trials = []
    for number, (architecture, stage, epochs) in enumerate(plan):
        values = {
            "score": {
                "naswot": rng.gauss(1500, 99),
                "latency_ms": rng.uniform(1, 9),
                "params": 9e4,
            },
            "train": {"val_accuracy": rng.uniform(60, 75)},
            "retrain": {"retrained_val_accuracy": 91.25, "test_accuracy": 90.5},
        }[stage]
        trials.append(Trial(number, Proposal(architecture, stage, epochs), Outcome.OK, values))
    return trials


def write(path, trials, objectives=OBJECTIVES, constraints=(), **kwargs):
    gallery = Gallery(trials, objectives, constraints)
    words = {"title": "run", "summary": SUMMARY, "seconds": {"score": 75.0}, **kwargs}
    write_report(path, gallery, trials, **words)
    return path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return write(tmp_path_factory.mktemp("report") / "report.html", history(12, 6, 2))


def test_the_best_and_its_numbers_lead(full):
    text = Page(full).text
    assert "90.50 % Test accuracy, retrained" in text
    assert "91.25 % Validation accuracy, retrained" in text
    assert "Best of 12 distinct architectures, judged at the retrain stage (200 epochs)" in text
    assert "1 MAC = one multiply-add; FLOPs = 2 × MACs" in text
    assert "score 1 min 15 s" in text
    assert "Over 6 trained candidates: Kendall's τ-b" in text and "95 % interval" in text
    assert "No latency was measured" in text


def test_all_sections_and_plots_are_there(full):
    page = Page(full)
    assert [
        h for h in page.words if h.startswith(("Finalists", "Trade-offs", "The best", "How it"))
    ]
    assert ("aria-label", "Distribution of naswot") in page.attributes
    assert (
        "aria-label",
        "Validation accuracy, search against Latency, predicted",
    ) in page.attributes
    assert ("aria-label", "naswot against Latency, predicted") in page.attributes
    assert full.count('aria-label="architecture"') == 6
    assert full.count("judged at") == 1


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(full):
    page = Page(full)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s<]*", full)) <= namespaces
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(page.tags)
    policy = next(value for key, value in page.attributes if key == "content")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    references = [v for k, v in page.attributes if k in ("href", "xlink:href", "src")]
    assert references and all(v.startswith("#") for v in references)
    assert page.tags.count("style") == 1 and "@import" not in full
    assert not any(k.startswith("on") for k, _ in page.attributes)


def test_two_writes_are_equal_and_matplotlib_is_as_found(tmp_path):
    once = write(tmp_path / "once.html", history(2))
    before = dict(mpl.rcParams)
    with mpl.rc_context({"lines.linewidth": 7.0, "axes.facecolor": "red"}):
        again = write(tmp_path / "again.html", history(2))
    assert again == once
    assert dict(mpl.rcParams) == before


def test_names_and_messages_are_inert(tmp_path, monkeypatch):
    monkeypatch.setattr(type(SPACE), "format", lambda self, architecture: HOSTILE)
    trials = history(3, 2)
    first = trials[0].architecture
    trials.append(Trial(9, Proposal(first, "retrain", 2), Outcome.FAILED, {}, HOSTILE))
    trials = [
        Trial(
            t.number,
            t.proposal,
            t.outcome,
            {**t.values, HOSTILE: 1.0, "$x_$": float(t.number)},
            t.message,
        )
        for t in trials
    ]
    objectives = [Objective(HOSTILE, True), Objective("$x_$", True), *OBJECTIVES]
    text = write(tmp_path / "r.html", trials, objectives, title=HOSTILE, summary={HOSTILE: HOSTILE})
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "\x1b" not in text and "\x00" not in text
    assert "{{ 7*7 }}" in page.text and "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        ([], "There is no best candidate. the run has no trials"),
        (history(1), "No candidate was trained"),
        (history(1, 1), "No candidate was retrained"),
        (history(2, 1, 1), "judged at the retrain stage"),
        (
            [Trial(0, Proposal(history(1)[0].architecture), Outcome.OOM, {}, "no memory")],
            "no trial ended well (1 oom). The first said: no memory",
        ),
        (
            [Trial(0, Proposal(history(1)[0].architecture), Outcome.NONFINITE, {"naswot": 1e999})],
            "no trial ended well (1 nonfinite)",
        ),
    ],
)
def test_a_run_with_little_in_it_says_what_is_missing(tmp_path, trials, says):
    assert says in Page(write(tmp_path / "r.html", trials)).text


def test_constraints_that_nothing_keeps(tmp_path):
    text = write(tmp_path / "r.html", history(3), constraints=[Constraint("latency_ms", True, 0.1)])
    assert "no candidate satisfies latency_ms" in Page(text).text


def test_failures_are_counted_and_the_rest_is_said(tmp_path):
    architecture = history(1)[0].architecture
    trials = [
        Trial(i, Proposal(architecture), Outcome.FAILED, {}, f"boom {i % 40}") for i in range(80)
    ]
    page = Page(write(tmp_path / "r.html", trials))
    assert "2 score failed boom 0" in page.text and "10 more kinds of failure" in page.text


def test_a_full_disk_leaves_the_old_report(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreFull):
        write(path, [])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
