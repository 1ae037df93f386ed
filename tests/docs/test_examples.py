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
    ],
)
def test_example(name, printed, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert printed in done.stdout
    assert done.stderr == ""
