import pytest
import torch

from nascout.network.memory import is_out_of_memory


def test_what_the_cpu_allocator_really_raises():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_telling_it_from_other_errors(error, expected):
    assert is_out_of_memory(error) is expected
