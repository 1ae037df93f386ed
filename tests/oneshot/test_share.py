"""Every method: resumed as if never stopped, the same in every process."""

import subprocess
import sys
from dataclasses import replace
from itertools import islice

import pytest
import torch

from nascout.errors import ConfigError, DataError
from nascout.oneshot import METHODS, share
from nascout.oneshot.share import _Sharing
from nascout.space import SPACES
from nascout.train.endings import Diverged, Stopped

KNOBS = {
    "darts": {"order": 2},
    "gdas": {},
    "pc_darts": {"frozen": 0.0},
    "rsps": {"samples": 3},
}
SMALL = {"epochs": 3, "batch_size": 16}


def small(name, **knobs):
    return METHODS[name](**{**SMALL, **KNOBS.get(name, {}), **knobs})


class Enough(Exception):
    pass


@pytest.mark.parametrize("name", sorted(KNOBS))
def test_resumed_as_if_never_stopped(name, space, split, tmp_path):
    method = small(name)
    whole = share(method, space, split, seed=1, checkpoint=tmp_path / "whole")

    def once(epoch):
        raise Enough

    for _ in range(method.epochs - 1):
        with pytest.raises(Enough):
            share(method, space, split, seed=1, checkpoint=tmp_path / "parts", on_epoch=once)
    parts = share(method, space, split, seed=1, checkpoint=tmp_path / "parts")
    assert parts == whole
    assert (tmp_path / "parts").read_bytes() != b""


@pytest.mark.parametrize("name", sorted(KNOBS))
def test_the_seed_decides(name, space, split):
    method = small(name, epochs=1)
    one, same, other = (share(method, space, split, seed=seed) for seed in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize("name", sorted(KNOBS))
def test_the_weights_learn(name, space, split):
    losses = [e.train_loss for e in share(small(name, lr=0.1, epochs=10), space, split).curve]
    # The best of some, since now and then networks are drawn that let nothing through.
    assert min(losses[5:]) < 0.8 * losses[0]


def test_the_global_generator_stays(space, split):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    share(small("gdas", epochs=1), space, split)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_test_images_are_never_looked_at(space, split):
    poisoned = replace(split, test=split.val.take(torch.arange(2)))
    assert share(small("darts", epochs=1), space, poisoned) == share(
        small("darts", epochs=1), space, split
    )


def test_both_parts_share_no_image(space, split):
    numbered = replace(
        split,
        train=replace(
            split.train, x=torch.arange(96.0).reshape(96, 1, 1, 1).expand(96, 2, 8, 8).contiguous()
        ),
    )
    sharing = _Sharing(small("rsps", val_fraction=0.25), space, numbered, 0, torch.device("cpu"))
    parts = [set(b.split.train.x[:, 0, 0, 0].tolist()) for b in (sharing.train, sharing.val)]
    assert list(map(len, parts)) == [72, 24]
    assert not parts[0] & parts[1]


def test_validation_batches_never_end(space, split):
    sharing = _Sharing(small("rsps", val_fraction=0.25), space, split, 0, torch.device("cpu"))
    batches = list(islice(sharing._endless(0), 7))  # the part has one whole batch and a half
    assert sum(len(b.x) for b in batches) == 4 * 16 + 3 * 8


def test_another_sharing_in_the_file_is_left_alone(space, split, tmp_path):
    one = share(small("rsps", epochs=1), space, split, checkpoint=tmp_path / "file")
    again = share(small("rsps", epochs=1), space, split, seed=3, checkpoint=tmp_path / "file")
    assert again == share(small("rsps", epochs=1), space, split, seed=3) != one


def test_a_damaged_file_is_begun_again(space, split, tmp_path):
    path = tmp_path / "file"
    whole = share(small("rsps"), space, split, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-7])
    assert share(small("rsps"), space, split, checkpoint=path) == whole


def test_a_stop_keeps_the_finished_epochs(space, split, tmp_path):
    epochs = []
    with pytest.raises(Stopped):
        share(
            small("rsps"),
            space,
            split,
            checkpoint=tmp_path / "file",
            on_epoch=epochs.append,
            should_stop=lambda: len(epochs) == 2,
        )
    assert share(small("rsps"), space, split, checkpoint=tmp_path / "file").curve[:2] == (*epochs,)


def test_a_loss_that_explodes(space, split):
    with pytest.raises(Diverged, match="epoch 1"):
        share(small("rsps", lr=1e30, lr_final=0.0, gradient_clip=1e30), space, split)


def test_too_few_images(space, split):
    few = replace(split, train=split.train.take(torch.arange(3)))
    with pytest.raises(DataError, match="3 training images cannot be parted"):
        share(small("rsps"), space, few)


def test_a_space_without_mixtures(split):
    space = SPACES["mnasnet"](channels=8, classes=3, input_shape=(2, 32, 32))
    with pytest.raises(ConfigError, match="rsps, enas"):
        share(small("darts"), space, split)


def test_a_share_of_all_images():
    with pytest.raises(ConfigError, match="val_fraction = 1"):
        METHODS["darts"](val_fraction=1.0)


CREW = """
import sys, torch
from torch import distributed
from nascout.data import load
from nascout.oneshot import METHODS, share
from nascout.space import SPACES
rank, name, store = int(sys.argv[1]), sys.argv[2], sys.argv[3]
distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
knobs = {"samples": 3} if name == "rsps" else {"alpha_lr": 0.1}
method = METHODS[name](epochs=1, batch_size=64, **knobs)
shared = share(method, space, load("digits").split(), seed=2)
print(shared.architectures, shared.curve[0].train_loss, shared.curve[0].weights)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts", "gdas", "rsps"])
def test_two_processes_find_one_architecture(name, tmp_path):
    command = [sys.executable, "-c", CREW]
    crew = [
        subprocess.Popen(
            [*command, str(rank), name, str(tmp_path / "store")], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=240)[0] for process in crew]
    assert said[0] == said[1] != ""
