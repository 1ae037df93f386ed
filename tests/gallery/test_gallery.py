import csv
import io
import math
import random

import pytest

from nascout.errors import AllFailed, ConfigError, Infeasible, IntegrityError
from nascout.gallery import Gallery
from nascout.records import Constraint, Objective, Outcome
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


SCORE, SMALL = Objective("naswot", True), Objective("params", False)
A, B, C, D = architectures(4)


def dominated(values, others, signs):
    """By the definition: somebody is no worse on every metric and better on one."""
    return any(
        all(s * o[m] >= s * values[m] for m, s in signs.items())
        and any(s * o[m] > s * values[m] for m, s in signs.items())
        for o in others
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_the_definition_says(seed):
    rng = random.Random(seed)
    trials = [
        trial(a, naswot=rng.randrange(6), params=rng.randrange(6), latency_ms=rng.randrange(6))
        for a in architectures(30)
    ]
    gallery = Gallery(trials, [SCORE, SMALL, Objective("latency_ms", False)])
    signs = {"naswot": 1, "params": -1, "latency_ms": -1}
    everyone = [t.values for t in trials]
    expected = [t.architecture.digest for t in trials if not dominated(t.values, everyone, signs)]
    assert [entry.digest for entry in gallery.front()] == expected


def test_an_entry_gathers_its_trials():
    trials = [
        trial(A, naswot=3.0, params=10),
        trial(A, "train", 12, val_accuracy=70.0),
        trial(A, "train", 3, val_accuracy=50.0),
        trial(A, "retrain", 50, outcome=Outcome.OOM, message="no memory", val_accuracy=1.0),
    ]
    (entry,) = Gallery(trials, [SCORE]).entries
    assert (entry.stage, entry.epochs, entry.outcome) == ("train", 12, Outcome.OK)
    assert entry.values == {"naswot": 3.0, "params": 10, "val_accuracy": 70.0}
    assert entry.reached == {"score": 0, "train": 12}


def test_an_entry_that_only_failed_says_what_was_tried_last():
    trials = [
        trial(A, outcome=Outcome.KILLED),
        trial(A, "train", 3, outcome=Outcome.TIMEOUT, params=10),
    ]
    (entry,) = Gallery(trials, [SCORE]).entries
    assert (entry.stage, entry.epochs, entry.outcome) == ("train", 3, Outcome.TIMEOUT)
    assert entry.values == {"params": 10} and not entry.reached


def test_isomorphic_architectures_are_one_entry():
    # Both compute avg_pool(conv(x)): the skip stands before or after the pooling.
    one = SPACE.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|")
    two = SPACE.parse("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|skip_connect~2|")
    assert len(Gallery([trial(one, naswot=1), trial(two, naswot=1)], [SCORE])) == 1


def test_only_the_most_epochs_are_compared():
    trials = [
        trial(A, "train", 3, val_accuracy=99.0, params=1),
        trial(B, "train", 12, val_accuracy=60.0, params=5),
        trial(C, "train", 12, val_accuracy=70.0, params=9),
    ]
    gallery = Gallery(trials, [SCORE, SMALL])
    assert [entry.architecture for entry in gallery.front()] == [B, C]
    assert gallery.best.architecture == C


def test_training_epochs_count_for_retrained_entries_too():
    trials = [
        trial(A, "train", 12, val_accuracy=70.0, params=1),
        trial(A, "retrain", 50, retrained_val_accuracy=90.0),
        trial(B, "train", 12, val_accuracy=80.0, params=2),
    ]
    gallery = Gallery(trials, [SMALL])
    assert gallery.stage == "retrain" and gallery.best.architecture == A
    assert [e.architecture for e in gallery.front(stage="train")] == [A, B]


def test_failures_and_values_that_are_not_finite_are_never_best_nor_on_a_front():
    trials = [
        trial(A, naswot=math.inf, params=1),
        trial(B, naswot=math.nan, params=1),
        trial(C, outcome=Outcome.NONFINITE, naswot=9.0, params=1),
        trial(D, naswot=1.0, params=9),
    ]
    gallery = Gallery(trials, [SCORE, SMALL])
    assert [entry.architecture for entry in gallery.front()] == [D]
    assert gallery.best.architecture == D


def test_ties_go_to_fewer_params_then_to_the_smaller_digest():
    small = sorted((B, C, D), key=lambda a: a.digest)
    trials = [trial(A, naswot=1.0, params=9)] + [trial(a, naswot=1.0, params=5) for a in (B, C, D)]
    assert Gallery(trials, [SCORE, SMALL]).best.architecture == small[0]


def test_selection_moves_the_target():
    trials = [
        trial(A, naswot=3.0, latency_ms=9.0, params=30),
        trial(B, naswot=2.0, latency_ms=4.0, params=20),
        trial(C, naswot=1.0, latency_ms=1.0, params=10),
    ]
    gallery = Gallery(trials, [SCORE], [Constraint("latency_ms", True, 5.0)])
    assert gallery.best.architecture == B
    assert gallery.select("latency_ms<=10").best.architecture == A  # a bound given anew
    assert gallery.select("params<=100").best.architecture == B  # the others stay
    assert gallery.select("latency_ms<=2", Constraint("params", True, 15)).best.architecture == C
    with pytest.raises(Infeasible, match="smallest latency_ms seen is 1"):
        gallery.select("latency_ms<=0.5")
    with pytest.raises(Infeasible, match="no macs is known"):
        gallery.select("macs<=1")
    with pytest.raises(ConfigError):
        gallery.select("naswot>1")


def test_best_says_why_there_is_none():
    with pytest.raises(AllFailed, match="no trials"):
        Gallery([], [SCORE]).best
    failed = [trial(A, outcome=Outcome.FAILED, message="Traceback\nValueError: boom")]
    with pytest.raises(AllFailed, match=r"1 failed.*boom"):
        Gallery(failed, [SCORE]).best
    with pytest.raises(AllFailed, match="finite"):
        Gallery([trial(A, params=3)], [SCORE]).best
    bound = [Constraint("params", True, 1)]
    with pytest.raises(Infeasible, match="smallest params seen is 3"):
        Gallery([trial(A, naswot=1.0, params=3)], [SCORE], bound).best
    with pytest.raises(Infeasible):
        Gallery([trial(A, outcome=Outcome.INFEASIBLE, params=3)], [SCORE], bound).best


def test_the_table_has_a_fixed_order_of_columns():
    trials = [
        trial(A, zen=1.0, naswot=2.0, latency_ms=1.5, params=10, aaa=0.0),
        trial(B, "train", 3, val_accuracy=50.0, measured_latency_ms=2.0),
    ]
    frame = Gallery(trials, [SCORE]).frame()
    assert list(frame.columns)[:5] == ["architecture", "digest", "stage", "epochs", "outcome"]
    metrics = ["val_accuracy", "naswot", "params", "latency_ms", "measured_latency_ms"]
    assert list(frame.columns)[5:] == [*metrics, "aaa", "zen"]
    assert frame["digest"].tolist() == [A.digest, B.digest]
    assert frame["params"].dtype == "Int64" and frame["params"].isna().tolist() == [False, True]
    assert Gallery([], [SCORE]).frame().empty and Gallery([], [SCORE]).pareto().empty


def test_the_pareto_table_is_best_first():
    trials = [trial(a, naswot=s, params=s * 10) for a, s in ((A, 1.0), (B, 3.0), (C, 2.0))]
    assert Gallery(trials, [SCORE, SMALL]).pareto()["naswot"].tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("start", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_cells_are_inert(tmp_path, start, monkeypatch):
    monkeypatch.setattr(type(SPACE), "format", lambda self, architecture: f"{start}\x1b[31m,\n")
    path = Gallery([trial(A, **{start: -1.0})], [SCORE]).to_csv(tmp_path / "new" / "table.csv")
    head, row = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
    assert row[0].startswith("'") and head[-1].startswith("'")
    assert "\x1b" not in path.read_text() and "\n" not in row[0]
    assert row[-1] == "-1.0"  # numbers stay numbers


@pytest.fixture(scope="module")
def torch():
    """Imported once, so that no test's time counts it."""
    import nascout.network  # noqa: F401

    return pytest.importorskip("torch")


def test_build_loads_weights(tmp_path, torch):
    from safetensors.torch import save_file

    from nascout.network import build

    path = tmp_path / "weights.safetensors"
    save_file(build(A, seed=7).state_dict(), path)
    trained, bare = Gallery(
        [trial(A, naswot=1), trial(B, naswot=1)], [SCORE], weights={A.digest: path}
    ).entries
    net = trained.build()
    assert not net.training and bare.build().training
    expected = build(A, seed=7).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in net.state_dict().items())

    path.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        trained.build()
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        trained.build()


def test_weights_of_another_network_are_refused(tmp_path, torch):
    from safetensors.torch import save_file

    from nascout.network import build

    path = tmp_path / "weights.safetensors"
    other = SPACES["nasbench201"](channels=8, cells=1, input_shape=(1, 8, 8))
    save_file(build(other.parse(str(A))).state_dict(), path)
    (entry,) = Gallery([trial(A, naswot=1)], [SCORE], weights=lambda digest: path).entries
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        entry.build()
