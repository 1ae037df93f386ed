"""Exported programs stand in for the networks they were made of."""

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError
from nascout.network.program import Program, load_program
from nascout.score.epsilon import epsilon
from nascout.score.naswot import naswot
from nascout.score.untouched import untouched

X = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(*activations):
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), *activations),
        *(nn.ConvTranspose2d(4, 4, 2), nn.GroupNorm(2, 4), nn.ReLU(inplace=True)),
        *(nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.AvgPool2d(2)),
        *(nn.AdaptiveAvgPool2d(2), nn.Dropout(0.5), nn.Flatten()),
        *(nn.LayerNorm(16), nn.Linear(16, 4)),
    )


def exported(net):
    return torch.export.export(net, (X,), dynamic_shapes=({0: torch.export.Dim("n")},))


ACTIVATIONS = [
    *(nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.LeakyReLU(0.2, inplace=True), nn.PReLU()),
    *(nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.SiLU(inplace=True), nn.ELU(0.5), nn.SELU()),
    *(nn.CELU(0.5), nn.Hardtanh(-2, 2), nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus(2, 10)),
    *(nn.Mish(), nn.Tanh(), nn.Sigmoid()),
]


@pytest.mark.slow
def test_a_program_computes_what_the_network_did():
    net = network(*ACTIVATIONS).eval()
    assert torch.equal(Program(exported(net))(X[:5]), net(X[:5]))


@pytest.mark.slow
def test_scores_read_a_program_as_they_read_the_network():
    """Exported in train mode, it is the network that scores see; dropout changes no pattern."""
    net = network(nn.ReLU(), nn.PReLU(), nn.BatchNorm2d(4), nn.LeakyReLU(), nn.ReLU6()).train()
    program = Program(exported(net))
    assert naswot(program, X) == naswot(net, X)
    assert epsilon(program, X) == epsilon(net, X)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [True, False])
def test_modes_are_flags(mode):
    net = network().train(mode)
    program = Program(exported(net))
    assert program.keeps_statistics is not mode
    parts = list(program.modules())
    assert all(part.training for part in program.train().modules())
    assert not any(part.training for part in program.eval().modules())
    with untouched(program):
        program.train()
    assert not any(part.training for part in parts)


@pytest.mark.slow
def test_a_file_is_read_back(tmp_path):
    net = network().eval()
    torch.export.save(exported(net), tmp_path / "net.pt2")
    program = load_program(tmp_path / "net.pt2")
    assert torch.equal(program(X), net(X))
    assert dict(program.named_parameters()).keys() == {
        f"graph_module.{name}" for name, _ in net.named_parameters()
    }


def test_several_inputs_by_name():
    class Sum(nn.Module):
        def forward(self, a, b):
            return a + 2 * b

    one = torch.ones(2, 1)
    program = Program(torch.export.export(Sum(), (), {"a": one, "b": one.clone()}))
    assert program(b=one, a=0 * one).tolist() == [[2.0], [2.0]]


def test_a_program_refuses_other_shapes():
    program = Program(torch.export.export(nn.Linear(3, 2), (torch.zeros(4, 3),)))
    with pytest.raises(AssertionError, match="size"):
        program(torch.zeros(5, 3))


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 not a program"])
def test_files_that_are_no_program(tmp_path, content, capfd):
    path = tmp_path / "net.pt2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"no file|reads no exported program in .*net.pt2"):
        load_program(path)
    assert capfd.readouterr() == ("", "")
