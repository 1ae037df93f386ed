"""Two processes end with the same weights, and with those of one process on the same batches."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from nascout.train.parallel import Crew, find_crew

CODE = """
import sys
import torch
from safetensors.torch import save_file
from torch import distributed, nn
from nascout.data import as_data
from nascout.train import Augmentation, Recipe, fit, Stopped

rank, size, folder, norm = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if size > 1:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size
    )
torch.manual_seed(rank)  # the first one's weights count
net = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4) if norm == "batch" else nn.GroupNorm(2, 4),
    nn.ReLU(), nn.Flatten(), nn.Linear(144, 3),
)
generator = torch.Generator().manual_seed(0)
x, y = torch.rand(65, 1, 8, 8, generator=generator), torch.arange(65) % 3
data = as_data((x, y), test_fraction=0)
assert len(data.split().train) % 8 == 5  # the last batch is shared unequally
recipe = Recipe(
    "test", "none", 2, 8, 0.1, gradient_clip=1.0, ema_decay=0.9, auxiliary_weight=0.4,
    augmentation=Augmentation(mixup=0.3), label_smoothing=0.1,
)
made = []
options = {"checkpoint": __import__("pathlib").Path(folder) / f"{size}.safetensors"}
if norm == "group" and size > 1:  # one of them wants to stop; all do, and go on
    try:
        fit(net, data.split(), recipe, on_step=made.append,
            should_stop=lambda: rank == 1 and len(made) == 3, **options)
        raise SystemExit("not stopped")
    except Stopped:
        distributed.barrier()
trained = fit(net, data.split(), recipe, **options)
state = {k: v for k, v in net.state_dict().items()}
state["loss"] = torch.tensor([e.train_loss for e in trained.curve], dtype=torch.float64)
state["val"] = torch.tensor(trained.val_metric)
save_file(state, f"{folder}/{norm}-{rank}-of-{size}")
if size > 1:
    distributed.destroy_process_group()
"""


def train(folder, size, norm):
    arguments = [(str(rank), str(size), str(folder), norm) for rank in range(size)]
    running = [subprocess.Popen([sys.executable, "-c", CODE, *a]) for a in arguments]
    assert [process.wait(120) for process in running] == [0] * size
    return [load_file(folder / f"{norm}-{rank}-of-{size}") for rank in range(size)]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_two_processes_end_alike(tmp_path, norm):
    one, other = train(tmp_path, 2, norm)
    assert all(torch.equal(one[name], other[name]) for name in one)
    if norm == "group":  # batch statistics are those of half a batch
        (alone,) = train(tmp_path, 1, norm)
        for name in one:
            torch.testing.assert_close(one[name], alone[name], atol=2e-6, rtol=2e-5)


def test_one_process_is_a_crew_of_one():
    assert find_crew() == Crew(0, 1)
    x = torch.rand(5, 2)
    assert Crew().share(x) is x
    assert torch.equal(torch.cat([Crew(rank, 3).share(x) for rank in range(3)]), x)
