"""Options: from TOML, checked by name, and compared when a run is resumed."""

import pytest

from nascout.errors import ConfigError, RunMismatch, UnknownName
from nascout.run.config import SearchConfig, check_same, make_record, read_toml
from nascout.run.plan import make_plan
from nascout.space import SPACES


def test_toml_holds_the_same_options(tmp_path):
    path = tmp_path / "search.toml"
    path.write_text(
        'data = "digits"\nbudget = 64\nconstraints = ["params<=5e5"]\n'
        "[strategy_options]\nshortlist = 4\n"
    )
    options = read_toml(path)
    assert options == {
        "data": "digits",
        "budget": 64,
        "constraints": ("params<=5e5",),
        "strategy_options": {"shortlist": 4},
    }
    assert SearchConfig(**options).budget == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [("budgt = 3", "no option 'budgt'"), ("budget = ", "is not TOML"), ("\x00", "is not TOML")],
)
def test_a_bad_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "search.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        read_toml(path)
    assert "\n" not in str(error.value)


def test_an_option_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"no option 'depth'\. It has channels"):
        make_record("space nasbench201", SPACES["nasbench201"], {"depth": 3})


def test_a_word_where_a_number_belongs_is_named():
    with pytest.raises(ConfigError, match="channels = 'many'"):
        make_record("space nasbench201", SPACES["nasbench201"], {"channels": "many"})


STORED = {"seed": 0, "budget": 10, "space": {"name": "nasbench201", "channels": 8}}


def test_the_same_options_resume():
    check_same(STORED, STORED)


def test_only_the_budget_may_grow():
    check_same(STORED, STORED | {"budget": 20})
    with pytest.raises(RunMismatch, match="A budget can only grow"):
        check_same(STORED, STORED | {"budget": 5})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed = 0, now it is 1"),
        ({"space": {"name": "freeform", "channels": 8}}, "space.name = 'nasbench201'"),
        ({"space": {"name": "nasbench201", "channels": 16}}, "space.channels = 8, now it is 16"),
        ({"extra": 1}, "extra = None"),
    ],
)
def test_a_difference_names_key_stored_and_given(change, message):
    with pytest.raises(RunMismatch, match=message) as error:
        check_same(STORED, STORED | change)
    assert error.value.exit_code == 4


def test_a_plan_follows_the_data():
    from nascout.data import load

    plan = make_plan(SearchConfig(), load("digits"))
    assert plan.space.input_shape == (1, 8, 8)
    assert (plan.space.channels, plan.space.cells, plan.space.classes) == (8, 1, 10)
    assert [str(o) for o in plan.strategy.objectives] == [
        "max:independence",
        "min:latency_ms",
        "min:params",
    ]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"space": "nasbench20"}, UnknownName, "Did you mean nasbench201"),
        ({"space": "darts_rnn"}, ConfigError, "a space of recurrent cells"),
        ({"strategy": "funel"}, UnknownName, "Did you mean funnel"),
        ({"score": "nazwot"}, UnknownName, "Did you mean naswot"),
        ({"objectives": ("max:accuracy",)}, ConfigError, "no objective is called 'accuracy'"),
        ({"objectives": ("up:naswot",)}, ConfigError, "malformed objective"),
        ({"constraints": ("params<500",)}, ConfigError, "malformed constraint"),
        ({"constraints": ("naswot<=500",)}, ConfigError, "no constraint on 'naswot'"),
        ({"budget": 0}, ConfigError, "budget = 0"),
    ],
)
def test_a_bad_option_is_one_line(options, kind, message):
    from nascout.data import load

    with pytest.raises(kind, match=message) as error:
        make_plan(SearchConfig(**options), load("digits"))
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
