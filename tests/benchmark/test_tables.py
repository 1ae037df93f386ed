import sys

import pandas as pd
import pytest

from nascout.benchmark import BENCHMARKS
from nascout.errors import ConfigError, DataError, MissingExtra, UnknownName
from nascout.space import SPACES

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
SIZES = {
    "nasbench201": ("nasbench201", 15_625),
    "nasbench_macro": ("nasbench_macro", 6_561),
    "transnasbench101_micro": ("transnasbench101", 4_096),
    "transnasbench101_macro": ("transnasbench101", 3_256),
    "accel_nasbench": ("accel_nasbench", 4_110),
    "nasbench101_small": ("nasbench101_small", 1_266),
}


def write(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_published_tables_are_read_whole_and_in_the_notation_of_their_space(name, shared_data):
    file, rows = SIZES[name]
    table = BENCHMARKS[name]()
    frame = table.read(shared_data / f"{file}.parquet")
    assert len(frame) == rows
    assert frame[table.judged_by(frame)].notna().all()
    if table.space not in SPACES:
        pytest.skip(f"needs the space {table.space}")
    space = SPACES[table.space]()
    for text in frame["architecture"][:: rows // 50]:
        assert str(space.parse(text)) == text


@pytest.mark.slow
def test_cells_of_nasbench101_have_the_official_hash(shared_data):
    if "nasbench101" not in SPACES:
        pytest.skip("needs the space nasbench101")
    space = SPACES["nasbench101"]()
    path = shared_data / "nasbench101_small.parquet"
    frame = BENCHMARKS["nasbench101_small"]().read(path)
    official = pd.read_parquet(path)["hash"]
    for text, expected in list(zip(frame["architecture"], official, strict=True))[::20]:
        assert space.hash(space.parse(text)) == expected


def test_most_epochs_and_the_mean_over_repeats(tmp_path):
    path = write(
        tmp_path / "cells.csv",
        matrix=["[[0, 1, 0], [0, 0, 1], [0, 0, 0]]"] * 3 + ["[[0, 1], [0, 0]]"],
        op_labels=["[-1, 2, -2]"] * 3 + ["[-1, -2]"],
        epochs=[4, 12, 12, 12],
        test_acc=[0.1, 0.5, 0.75, 0.25],
    )
    frame = BENCHMARKS["nasbench101_small"]().read(path)
    assert list(frame["architecture"]) == ["maxpool3x3:0|output:1", "output:0"]
    assert list(frame["test_acc"]) == [0.625, 0.25]
    write(path, matrix=["[[0"], op_labels=["[-1]"], epochs=[1], test_acc=[0.5])
    with pytest.raises(DataError, match="is no cell"):
        BENCHMARKS["nasbench101_small"]().read(path)


def test_only_accuracies_of_the_wanted_half_are_offered(tmp_path):
    path = write(
        tmp_path / "trans.csv",
        arch=["64-41414-1_02_333", "64-1234-basic"],
        space=["micro", "macro"],
        jigsaw__test_top1=[90.0, 80.0],
        jigsaw__test_loss=[1.0, 2.0],
        room_layout__test_neg_loss=[-0.6, -0.7],
    )
    macro = BENCHMARKS["transnasbench101_macro"]()
    frame = macro.read(path)
    assert list(frame["architecture"]) == ["64-1234-basic"]
    assert list(frame.columns[1:]) == ["jigsaw__test_top1", "room_layout__test_neg_loss"]
    assert macro.judged_by(frame, "room_layout__test_neg_loss") == "room_layout__test_neg_loss"
    with pytest.raises(ConfigError, match="It has jigsaw__test_top1, room_layout__test_neg_loss"):
        macro.judged_by(frame)


def test_leading_zeros_survive_a_csv_file(tmp_path):
    path = write(tmp_path / "macro.csv", arch=["02012100", "22212220"], mean_acc=[89.2, 93.1])
    frame = BENCHMARKS["nasbench_macro"]().read(path)
    assert list(frame["architecture"]) == ["02012100", "22212220"]


def test_a_table_of_ones_own(tmp_path):
    own = BENCHMARKS["table"](space="nasbench201")
    frame = own.read(write(tmp_path / "a.csv", arch=[CELL], accuracy=[0.5], name=["x"]))
    assert frame.to_dict("list") == {"architecture": [CELL], "accuracy": [0.5]}
    named = BENCHMARKS["table"](space="nasbench201", column="cell")
    assert list(named.read(write(tmp_path / "b.csv", cell=[CELL], top1=[1.0]))["top1"]) == [1.0]
    with pytest.raises(DataError, match="no column architecture or arch or arch_str"):
        own.read(tmp_path / "b.csv")
    with pytest.raises(ConfigError, match="--space"):
        BENCHMARKS["table"]().read(tmp_path / "a.csv")


def test_what_cannot_be_read_is_said(tmp_path):
    table = BENCHMARKS["nasbench201"]()
    with pytest.raises(DataError, match="no file"):
        table.read(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="no column 'arch_str'"):
        table.read(write(tmp_path / "a.csv", arch=[CELL], c10_test=[1.0]))
    with pytest.raises(DataError, match="no accuracies"):
        table.read(write(tmp_path / "b.csv", arch_str=[CELL], params_c10=[1.0]))
    with pytest.raises(DataError, match="no accuracies"):
        table.read(write(tmp_path / "c.csv", arch_str=[CELL], c10_test=["high"]))
    (tmp_path / "d.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="cannot read"):
        table.read(tmp_path / "d.parquet")
    (tmp_path / "e.csv").write_bytes(b"")
    with pytest.raises(DataError, match="cannot read"):
        table.read(tmp_path / "e.csv")
    with pytest.raises(DataError, match="cannot read"):
        table.read(tmp_path)
    with pytest.raises(UnknownName, match="Did you mean nasbench201"):
        BENCHMARKS["nasbench-201"]


def test_parquet_needs_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"nascout\[parquet\]"):
        BENCHMARKS["nasbench201"]().read(tmp_path / "a.parquet")


def test_stages_of_mnasnet(tmp_path):
    parts = {"e": [6], "k": [5], "l": [2], "se": [True]}
    columns = {f"block{i}_{part}": value for i in range(7) for part, value in parts.items()}
    columns["block3_se"] = [False]
    frame = BENCHMARKS["accel_nasbench"]().read(
        write(tmp_path / "a.csv", **columns, val_top1=[60.0])
    )
    stages = ["e6k5l2se"] * 7
    stages[3] = "e6k5l2"
    assert list(frame["architecture"]) == ["-".join(stages)]
