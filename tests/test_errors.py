import copy
import inspect
import pickle

import pytest

from nascout import errors
from nascout.errors import Interrupted, MissingExtra, NascoutError, UnknownName

PLAIN = [
    kind
    for name in errors.__all__
    if (kind := getattr(errors, name)) not in (UnknownName, MissingExtra, Interrupted)
]
MADE = [
    UnknownName("space", "nasbench202", ["nasbench201", "freeform"]),
    MissingExtra("ONNX export", "onnx"),
    Interrupted(2, "Run it again to resume."),
    *(kind("it is wrong", "Mend it") for kind in PLAIN),
]


def test_everything_listed_has_one_root():
    defined = {n for n, c in vars(errors).items() if inspect.isclass(c)} & set(errors.__all__)
    assert defined == set(errors.__all__)
    assert all(isinstance(error, NascoutError) for error in MADE)


def test_text_is_the_problem_then_the_remedy():
    assert str(NascoutError("it is wrong", "Mend it")) == "it is wrong. Mend it"
    assert str(NascoutError("it is wrong.", "Mend it")) == "it is wrong. Mend it"


def test_exit_codes():
    """2 usage, 3 nothing succeeded, 4 a store not to be trusted, 74 input/output, 128 + signal."""
    codes = {
        3: {"AllFailed", "Infeasible"},
        4: {"StoreCorrupt", "RunMismatch", "IntegrityError"},
        74: {"StoreBusy", "StoreUnwritable", "StoreFull"},
        130: {"Interrupted"},
    }
    for error in MADE:
        name = type(error).__name__
        wanted = [code for code, names in codes.items() if name in names] or [2]
        assert [error.exit_code] == wanted, name


def test_unknown_names_suggest_the_nearest_or_list_all():
    assert str(MADE[0]) == "unknown space 'nasbench202'. Did you mean nasbench201?"
    far = UnknownName("space", "qqq", ["b", "a"])
    assert str(far) == "unknown space 'qqq'. Known: a, b."


def test_a_missing_extra_says_how_to_install_it():
    assert str(MADE[1]).endswith("pip install 'nascout[onnx]'")


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_errors_cross_processes(error):
    """A worker's error reaches its parent by pickle, with its text and its exit code."""
    for back in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(back) is type(error)
        assert (str(back), back.exit_code) == (str(error), error.exit_code)
        assert (back.problem, back.remedy) == (error.problem, error.remedy)
