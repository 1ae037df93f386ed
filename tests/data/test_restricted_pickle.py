import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from nascout.data.restricted_pickle import read_nested_pickle, read_plain_pickle
from nascout.errors import DataError, IntegrityError


@pytest.mark.parametrize("protocol", range(5))  # for 5 numpy needs a name no official file has
def test_plain_values_and_arrays_come_back(protocol):
    value = {b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), b"labels": [1, 2, 3]}
    found = read_plain_pickle(pickle.dumps(value, protocol=protocol), "a file")
    np.testing.assert_array_equal(found[b"data"], value[b"data"])
    assert found[b"labels"] == [1, 2, 3]


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_foreign_name_is_refused_by_name_and_not_run(tmp_path):
    victim = tmp_path / "written"
    content = pickle.dumps({"data": Hostile(exec, f"open({str(victim)!r}, 'w')")})
    with pytest.raises(IntegrityError, match=r"the file asks to run builtins\.exec"):
        read_plain_pickle(content, "the file")
    assert not victim.exists()


@pytest.mark.parametrize("name", ["os.system", "numpy.load", "numpy.core.multiarray.fromfile"])
def test_neighbours_of_the_allowed_names_are_refused(name):
    module, _, attribute = name.rpartition(".")
    content = f"c{module}\n{attribute}\n.".encode()
    with pytest.raises(IntegrityError, match=name):
        read_plain_pickle(content, "x")


def test_dotted_names_do_not_reach_through_an_allowed_one():
    stream = io.BytesIO()
    stream.write(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    with pytest.raises(IntegrityError, match=r"numpy\.ndarray\.tofile"):
        read_plain_pickle(stream.getvalue(), "x")


@pytest.mark.parametrize("kind", ["<i8", ">i4", "<f4", "|i1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_number_type_and_layout(kind, order):
    array = np.asarray(np.arange(6).reshape(2, 3), dtype=kind, order=order)
    found = read_plain_pickle(pickle.dumps({"x": array}, protocol=2), "x")["x"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
BYTE = b"cnumpy\ndtype\n(Vu1\nI0\nI1\ntR"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        pickle.dumps({"a": 1})[:-1],
        b"c_codecs\nencode\n(Vabc\nVhex\ntR.",
        pickle.dumps({"a": np.array([{}], dtype=object)}, protocol=2),
        ARRAY + b"(I1\n(I999999999\nt" + BYTE + b"I00\nVabc\ntb.",
        ARRAY + b"(I1\n(I9\nt" + BYTE + b"I00\nc_codecs\nencode\n(Vabc\nVlatin1\ntRtb.",
    ],
)
def test_damaged_pickles_are_refused(content):
    with pytest.raises(DataError, match="x is not a readable pickle"):
        read_plain_pickle(content, "x")


def test_what_a_pickle_spoils_is_not_what_the_next_one_gets():
    with pytest.raises(DataError):  # BUILD sets __defaults__ on the stand-in for numpy.dtype
        read_plain_pickle(b"cnumpy\ndtype\n(N(dV__defaults__\n(I1\ntstb.", "x")
    array = np.arange(3)
    found = read_plain_pickle(pickle.dumps({"x": array}, protocol=2), "x")["x"]
    np.testing.assert_array_equal(found, array)


def test_what_is_no_dictionary_is_refused():
    with pytest.raises(DataError, match="dictionary"):
        read_plain_pickle(pickle.dumps([1]), "x")


NESTED = {
    ("cifar10", 777): OrderedDict(a=np.float64(0.5), b=[np.int64(3), (None, True)]),
    "seen": {1, 2},
    "curve": [np.arange(3.0)],
}


@pytest.mark.parametrize("protocol", range(2, 5))
def test_nested_records_come_back_as_plain_values(protocol):
    stream = io.BytesIO(pickle.dumps(NESTED, protocol=protocol) + b"behind")
    found = read_nested_pickle(stream, "x")
    np.testing.assert_array_equal(found.pop("curve")[0], np.arange(3.0))
    assert found == {("cifar10", 777): {"a": 0.5, "b": [3, (None, True)]}, "seen": {1, 2}}
    assert [type(v) for v in found["cifar10", 777].values()] == [float, list]
    assert stream.read() == b"behind"


@pytest.mark.parametrize("name", ["builtins.exec", "collections.Counter", "torch.FloatStorage"])
def test_nested_records_know_no_other_names(name):
    module, _, attribute = name.rpartition(".")
    content = f"c{module}\n{attribute}\n.".encode()
    with pytest.raises(IntegrityError, match=name):
        read_nested_pickle(io.BytesIO(content), "x")


def test_stand_ins_are_called_and_objects_outside_are_asked_for():
    stand_ins = {("here", "pair"): lambda a, b: (b, a)}
    content = b"chere\npair\n(I1\nPkey\ntR."
    found = read_nested_pickle(io.BytesIO(content), "x", stand_ins, persistent=str.upper)
    assert found == ("KEY", 1)
    with pytest.raises(DataError):
        read_nested_pickle(io.BytesIO(content), "x", stand_ins)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        pickle.dumps(NESTED)[:-5],
        b"cnumpy.core.multiarray\nscalar\n(I1\nI2\ntR.",
        b"ccollections\nOrderedDict\n(I1\ntR.",
        ARRAY + b"(" * 100_000 + b"l" * 99_999 + b".",
    ],
)
def test_damaged_nested_records_are_refused(content):
    with pytest.raises(DataError, match="x is not a readable pickle"):
        read_nested_pickle(io.BytesIO(content), "x")
