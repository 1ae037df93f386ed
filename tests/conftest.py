"""What tests share: the folders of real files that are not part of the project."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time and on every machine; a loaded machine is no failure.
settings.register_profile(
    "nascout",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("nascout")

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def _folder(name):
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the folder {folder}, which is not part of the project")
    return folder


@pytest.fixture(scope="session")
def shared_data():
    """Published benchmark tables and small data sets; see the README there."""
    return _folder("data")


@pytest.fixture(scope="session")
def anchors():
    """Reference values computed by other people's code."""
    return _folder("anchors")
