import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from nascout.data import as_data, load
from nascout.errors import DataError


class Items(Dataset):
    def __init__(self, items, classes=None):
        self.items = items
        if classes:
            self.classes = classes

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


@pytest.mark.parametrize(
    "image",
    [
        torch.full((3, 6, 5), 7, dtype=torch.uint8),
        np.full((6, 5, 3), 7, np.uint8),
        Image.new("RGB", (5, 6), (7, 7, 7)),
    ],
)
def test_tensors_arrays_and_pictures(image):
    data = as_data(Items([(image, i % 2) for i in range(4)]), test_fraction=0)
    assert data.input_shape == (3, 6, 5)
    assert data.train.x.dtype == torch.uint8
    assert data.train.x.unique().tolist() == [7]
    assert data.train.y.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("label", [1, np.int32(1), np.array(1), torch.tensor(1)])
def test_label_types(label):
    data = as_data(Items([(torch.zeros(2, 2), 0), (torch.zeros(2, 2), label)]), test_fraction=0)
    assert data.train.y.tolist() == [0, 1]
    assert data.input_shape == (1, 2, 2)


def test_a_picture_three_pixels_high_is_not_ambiguous():
    items = [(Image.new("RGB", (5, 3)), i % 2) for i in range(4)]
    assert as_data(Items(items)).input_shape == (3, 3, 5)


def test_class_names_of_the_dataset_are_kept():
    items = [(torch.zeros(1, 2, 2), i % 2) for i in range(4)]
    assert as_data(Items(items, ["no", "yes", "maybe"])).classes == ("no", "yes", "maybe")


def test_a_pair_of_datasets_is_train_and_test():
    def part(value, n):
        return TensorDataset(torch.full((n, 1, 2, 2), value), torch.arange(n) % 2)

    data = as_data((part(1.0, 6), part(2.0, 4)))
    assert (len(data.train), len(data.test)) == (6, 4)
    assert data.test.x.unique().tolist() == [2.0]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([(torch.zeros(1, 2, 2), 0), (torch.zeros(1, 3, 2), 1)], r"item 1 is .*\(1, 3, 2\)"),
        ([torch.zeros(1, 2, 2)], r"Items must be \(image, label\)"),
        ([("text", 0)], "the image is a str"),
        ([(torch.zeros(1, 2, 2), 0.5)], "the label of item 0 is a float"),
        ([], "no items"),
    ],
)
def test_items_of_another_form_are_named(items, message):
    with pytest.raises(DataError, match=message):
        as_data(Items(items))


def test_sizes_that_differ_can_be_resized():
    items = [(torch.zeros(1, 2 + i % 2, 4), i % 2) for i in range(4)]
    assert as_data(Items(items), image_size=3).input_shape == (1, 3, 3)


def test_a_dataset_without_positions_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(DataError, match="Stream"):
        as_data(Stream())


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_pictures.py").write_text(
        textwrap.dedent(
            """
            import torch
            from torch.utils.data import TensorDataset

            ready = TensorDataset(torch.zeros(6, 1, 3, 3), torch.arange(6) % 3)

            def make():
                return ready

            def pair():
                return ready, ready

            class Own(TensorDataset):
                def __init__(self):
                    super().__init__(*ready.tensors)

            class nested:
                data = ready
            """
        )
    )
    (tmp_path / "broken_pictures.py").write_text("import no_such_module_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("my_pictures", None)


@pytest.mark.parametrize("name", ["ready", "make", "Own", "nested.data", "pair"])
def test_a_dataset_in_the_current_folder_is_found(module, name):
    before = list(sys.path)
    data = load(f"my_pictures:{name}", test_fraction=0)
    assert (data.input_shape, data.classes) == ((1, 3, 3), ("0", "1", "2"))
    assert (data.test is not None) == (name == "pair")
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("my_pictures:missing", "module 'my_pictures' has no 'missing'"),
        ("no_such_module:data", "cannot import 'no_such_module'"),
        ("broken_pictures:data", "no_such_module_at_all"),
    ],
)
def test_what_cannot_be_imported_is_named(module, spec, message):
    with pytest.raises(DataError, match=message):
        load(spec)
