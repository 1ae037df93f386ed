import pytest

from nascout.data.memory import available_bytes, require_memory
from nascout.errors import DataError


def test_more_than_the_machine_has_is_refused_with_both_numbers():
    require_memory(1, "one byte")
    if available_bytes() is None:
        pytest.skip("this machine does not tell its memory")
    with pytest.raises(DataError, match=r"the set needs 1073741824\.0 GiB of \d+\.\d GiB"):
        require_memory(2**60, "the set")
