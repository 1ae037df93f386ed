"""Published architectures by name."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

import nascout
from nascout.cli.app import app
from nascout.errors import UnknownName


def test_every_known_architecture_is_its_spaces():
    table = nascout.architectures().set_index("name")
    for name in table.index:
        architecture = nascout.architecture(name)
        assert architecture.space.name == table.loc[name, "space"]
        assert architecture.space.parse(str(architecture)) == architecture
        graph = architecture.graph()
        assert tuple(graph.shapes[graph.outputs[0]]) == (architecture.space.classes,)


def test_a_skeleton_may_differ_from_the_published_one():
    wide, narrow = (nascout.architecture("darts_v2", channels=c) for c in (36, 18))
    assert wide.values == narrow.values
    assert nascout.cost(wide).params > nascout.cost(narrow).params
    assert nascout.architecture("proxyless_gpu").space.backbone == "gpu"


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(UnknownName, match="darts_v2"):
        nascout.architecture("darts_v3")


def test_the_optima_of_tables(shared_data):
    cells = pd.read_parquet(shared_data / "nasbench201.parquet").set_index("arch_str")
    for name, column in (("cifar10", "c10valid_val"), ("cifar100", "c100_val")):
        best = str(nascout.architecture(f"nasbench201_best_{name}"))
        assert cells[column].idxmax() == best
    assert cells.loc[str(nascout.architecture("nasbench201_resnet")), "params_c10"] == 559_386
    chains = pd.read_parquet(shared_data / "nasbench_macro.parquet").set_index("arch")
    assert chains["mean_acc"].idxmax() == str(nascout.architecture("nasbench_macro_best"))


def test_the_command_lists_them():
    listed = CliRunner().invoke(app, ["architectures", "--json"])
    names = {row["name"] for row in json.loads(listed.output)}
    assert names == set(nascout.architectures()["name"])
    for name in sorted(names)[:2]:
        assert name in CliRunner().invoke(app, ["architectures", name]).output
