"""The examples run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("02_score.py", "width 32, depth 4:"),
        ("03_own_space.py", "12 architectures"),
        ("detector_backbone.py", "at strides (1, 2, 4)"),
        ("grow_your_model.py", "under 20,000 MACs: #"),
    ],
)
def test_example(name, printed, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert printed in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_the_comparison(shared_data, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "04_compare.py", shared_data / "nasbench201.parquet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "local search" in done.stdout and "optimum" in done.stdout
    assert (tmp_path / "comparison" / "comparison.html").exists()
