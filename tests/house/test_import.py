"""``import nascout`` is quick, brings no torch, and changes nothing."""

import json
import subprocess
import sys

import pytest

import nascout

PROBE = """
import json, random, sys, time, warnings
state, filters = random.getstate(), list(warnings.filters)
start = time.process_time()
import nascout
spent = time.process_time() - start
heavy = [m for m in ("torch", "pandas", "matplotlib", "sqlalchemy", "sklearn") if m in sys.modules]
same = random.getstate() == state and warnings.filters == filters
print(json.dumps([spent, heavy, same, dir(nascout)]))
"""


def probe():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_is_quick_and_light():
    runs = [probe() for _ in range(3)]
    assert min(spent for spent, *_ in runs) < 0.3
    assert all(not heavy and same for _, heavy, same, _ in runs)


@pytest.mark.slow
def test_every_name_of_the_face_loads():
    assert sorted([*nascout.__all__, "__version__"]) == probe()[3]
    for name in nascout.__all__:
        assert getattr(nascout, name).__doc__, name


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = nascout.serach


def test_rooms_do_not_hide_functions_of_the_same_name():
    code = (
        "import nascout.space\n"
        "from nascout.space import SPACES\n"
        "assert nascout.space('nasbench201') == SPACES['nasbench201'](), nascout.space\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
