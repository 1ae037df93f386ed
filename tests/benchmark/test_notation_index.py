import random

from hypothesis import given
from hypothesis import strategies as st

from nascout.benchmark.notation_index import NotationIndex


@given(st.lists(st.text(max_size=3)))
def test_agrees_with_a_dictionary(texts):
    index = NotationIndex(texts)
    distinct = list(dict.fromkeys(texts))
    assert list(index) == distinct
    assert len(index) == len(distinct)
    assert [index.find(text) for text in distinct] == list(range(len(distinct)))
    groups = [distinct.index(text) for text in texts]
    if index.groups is None:
        assert groups == list(range(len(texts)))
    else:
        assert index.groups.tolist() == groups


def test_what_is_not_there_is_not_found():
    texts = [str(i) for i in range(5000)]
    random.Random(0).shuffle(texts)
    index = NotationIndex(texts)
    assert all(texts[index.find(text)] == text for text in texts)
    assert index.find("5000") is None
    assert index.find("") is None


def test_texts_of_one_hash_are_told_apart():
    index = NotationIndex(["a", "b", "c"])
    # As if every text had the same hash.
    for place in range(3):
        index._hashes[place] = hash(b"c")
    assert index.find("c") == 2
