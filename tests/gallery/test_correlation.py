import random

import pytest

from nascout.gallery import Gallery, correlate
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Trial
from nascout.space import SPACES

SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))


def architectures(count):
    """Distinct ones, also by digest."""
    found, rng = {}, random.Random(0)
    while len(found) < count:
        architecture = SPACE.sample(rng)
        found.setdefault(architecture.digest, architecture)
    return list(found.values())


def trial(architecture, stage="score", epochs=0, outcome=Outcome.OK, message="", **values):
    return Trial(0, Proposal(architecture, stage, epochs), outcome, values, message)


def test_a_gallery_gives_its_comparable_entries_that_have_both():
    trials = []
    for i, architecture in enumerate(architectures(6)):
        trials.append(trial(architecture, naswot=float(i), params=1))
        epochs, accuracy = (3, 99.0) if i == 0 else (12, 50.0 + i)
        if i < 5:
            trials.append(trial(architecture, "train", epochs, val_accuracy=accuracy))
    found = correlate(Gallery(trials, [Objective("naswot", True)]), "naswot")
    assert found.count == 4 and found.kendall.value == pytest.approx(1)
