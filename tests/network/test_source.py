"""The generated file is run in a fresh namespace and compared with the network."""

import ast
import random
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.graph import Builder, Op
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Identity,
    Linear,
    MaxPool,
    ReLU,
    Zero,
)
from nascout.network import build, lowers
from nascout.network.source import source_state, to_source
from nascout.network.source_layout import layout
from nascout.network.source_names import identifier
from nascout.network.source_ops import Formula, prints
from nascout.space import SPACES

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
SMALL = {
    "nasbench201": SPACES["nasbench201"](channels=4, cells=2, input_shape=(1, 8, 8)),
    "freeform": SPACES["freeform"](channels=4, input_shape=(3, 9, 9)),
    "mnasnet": SPACES["mnasnet"](channels=4, input_shape=(3, 17, 13)),
    "nasbench101": SPACES["nasbench101"](channels=7, cells=2, input_shape=(3, 9, 8)),
    "nasbench_macro": SPACES["nasbench_macro"](channels=2, input_shape=(3, 9, 8)),
    "transnasbench101_macro": SPACES["transnasbench101_macro"](channels=2, input_shape=(3, 17, 13)),
    "transnasbench101_micro": SPACES["transnasbench101_micro"](channels=2, input_shape=(3, 17, 13)),
}


def run(text, name="Model"):
    names = {"__name__": "generated"}
    exec(compile(text, "generated", "exec"), names)
    return names[name]


def trained(graph):
    """A network whose normalisations have seen data, in eval mode."""
    net = build(graph, seed=1)
    generator = torch.Generator().manual_seed(2)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            if module.affine:
                module.weight.data.uniform_(0.5, 2, generator=generator)
    return net.eval()


def assert_equal(architecture):
    """The generated model gives the network's outputs; returns the text."""
    net, text = trained(architecture), to_source(architecture)
    code = text.partition("Tensor, nn\n")[2].splitlines()
    assert all(len(line) <= 100 for line in code if '"""' not in line)
    model = run(text)().eval()
    model.load_state_dict(source_state(net))
    generator = torch.Generator().manual_seed(3)
    shapes = [net.graph.shapes[i] for i in net.graph.inputs]
    inputs = [torch.randn(3, *shape, generator=generator) for shape in shapes]
    with torch.no_grad():
        expected, given = net(*inputs), model(*inputs)
    # Kernels round differently with the alignment of their operands, so not bit for bit.
    several = expected if isinstance(expected, tuple) else (expected,)
    scale = max(float(y.abs().max()) for y in several)
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-6 * scale)
    return text


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("space", SMALL)
def test_random_architectures_give_the_same_outputs(space, seed):
    assert_equal(SMALL[space].sample(random.Random(seed)))


@pytest.mark.parametrize("space", SMALL)
def test_source_imports_only_torch_and_is_deterministic(space):
    architecture = SMALL[space].sample(random.Random(0))
    text = to_source(architecture)
    assert text == to_source(SMALL[space].sample(random.Random(0)))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert [alias.name for alias in node.names] == ["torch"]
        elif isinstance(node, ast.ImportFrom):
            assert node.module == "torch"


def test_fifteen_cells_are_one_class():
    text = to_source(SPACES["nasbench201"]().parse(CELL))
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert classes == ["Cell", "Reduction", "Model"]
    assert len(text.splitlines()) < 100
    assert CELL in ast.get_docstring(ast.parse(text))
    assert "*(Cell(32) for _ in range(5))" in text


def test_every_op_and_attribute():
    g = Builder()
    x = g.input((4, 9, 7), key="left/map")
    y = g.input((4, 9, 7), key="vector")
    x = g.node(Conv2d(8, (3, 1), groups=2, bias=True, dilation=(2, 1)), x, key="a/conv")
    x = g.node(BatchNorm(affine=False), x, key="a/bn")
    y = g.node(DepthwiseConv2d(3, (1, 1), padding=1), y, key="b/depthwise")
    z = g.node(Concat(), x, y, key="joined")
    z = g.chain((AvgPool(2, 2, ceil=True), MaxPool((3, 2), 2, padding=(1, 0))), z, key="pools")
    z = g.node(Identity(), z, key="same")
    z = g.node(Add(), z, g.node(Zero(), z, key="zero"), z, key="sum")
    v = g.chain((GlobalAvgPool(), Linear(6, bias=False), BatchNorm(), ReLU()), z, key="head")
    assert_equal(g.graph(v, z, v))


def test_dead_nodes_are_left_out_and_mentioned():
    g = Builder()
    x = g.input((2, 4, 4))
    y = g.chain((Conv2d(3, 1), ReLU()), x, key="live")
    g.node(Conv2d(5, 1), x, key="dead")
    text = assert_equal(g.graph(y))
    assert "Left out: 1 nodes with 10 params" in text
    assert "Conv2d(2, 5" not in text


def test_identity_network_is_its_input():
    g = Builder()
    text = assert_equal(g.graph(g.node(Identity(), g.input((3,)), key="i")))
    assert "return x" in text


def test_blocks_of_one_text_whose_nodes_come_in_another_order():
    g = Builder()
    x = g.input((3, 4, 4))
    for name, order in (("one", "ab"), ("two", "ba")):
        convs = {k: g.node(Conv2d(3, 1), x, key=f"s/{name}/{k}/conv") for k in "ab"}
        norms = {k: g.node(BatchNorm(), convs[k], key=f"s/{name}/{k}/bn") for k in order}
        x = g.node(Add(), norms["a"], norms["b"], key=f"s/{name}/t/sum")
    text = assert_equal(g.graph(x))
    assert "class One(" in text
    assert text.count("class ") == 2


def test_a_long_wide_sum_keeps_the_order_of_adding():
    g = Builder()
    x = g.input((2, 4, 4))
    terms = [g.node(Conv2d(2, 3), x, key=f"block/a_rather_long_name_{n}/conv") for n in range(9)]
    assert_equal(g.graph(g.node(Add(), *terms, key="block/sum")))
    assert layout("return ", "a + (b + c)", 0) == ["return a + (b + c)"]


@pytest.mark.parametrize(
    "key",
    [
        '"""\nimport os\nos.abort()\n"""',
        "x = 1; raise SystemExit #",
        "forward!",
        "class",
        "torch",
        "__init__!",
        "\\",
        "été\u202e",
        "9lives",
    ],
)
def test_keys_are_data(key):
    g = Builder()
    x = g.input((2, 4, 4), key=f"{key} in")
    for n in range(2):
        x = g.chain((Conv2d(2, 3), BatchNorm(), ReLU()), x, key=f"{key}{n}/{key}")
    text = assert_equal(g.graph(g.node(ReLU(), x, key=key)))
    body = ast.parse(text).body
    assert not any(isinstance(node, ast.Import) for node in body)
    assert isinstance(body[0], ast.Expr)
    assert identifier(key).isidentifier()


def test_notes_cannot_leave_the_docstring():
    graph = SMALL["freeform"].sample(random.Random(0)).graph()
    note = 'end """ + exit() + """ \\" \\'
    text = to_source(graph, notes=[note, "second\nline"])
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    assert note in docstring
    assert "second\nline" in docstring


@pytest.mark.parametrize("name", ["a b", "class", "nn", "1x", "x:\n  pass"])
def test_a_name_that_is_none(name):
    with pytest.raises(ConfigError, match="cannot name a class"):
        to_source(SMALL["freeform"].sample(random.Random(0)), name=name)


@dataclass(frozen=True)
class Squared(Op):
    """Reads its operand twice."""

    arity = 2

    def shape(self, *xs):
        return xs[0]


class Square(nn.Module):
    def forward(self, x, y):
        return x * x + y


def test_an_op_of_a_third_party():
    g = Builder()
    x = g.input((2, 4, 4))
    y = g.node(Conv2d(2, 3), x, key="conv")
    graph = g.graph(g.node(Squared(), y, x, key="square"))
    lowers(Squared)(lambda op, xs: Square())
    with pytest.raises(UnsupportedNetwork, match="Squared"):
        to_source(graph)
    prints(Squared)(lambda op, xs, width: Formula(lambda a, b: f"{a} * {a} + {b}"))
    with pytest.raises(ValueError, match="Squared"):
        prints(Squared)(lambda op, xs, width: Formula(lambda a, b: a))
    # The convolution is called once, though the formula names its value twice.
    assert assert_equal(graph).count("self.conv(") == 1


@pytest.mark.slow
def test_a_process_without_nascout(tmp_path):
    net = trained(SMALL["nasbench201"].parse(CELL))
    (tmp_path / "model.py").write_text(to_source(net.graph), encoding="utf-8")
    save_file(source_state(net), tmp_path / "model.safetensors")
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        save_file({"x": x, "y": net(x)}, tmp_path / "io.safetensors")
    script = """
import sys
sys.modules["nascout"] = None
import torch
from safetensors.torch import load_file
from model import Model
net = Model().eval()
net.load_state_dict(load_file("model.safetensors"))
io = load_file("io.safetensors")
with torch.no_grad():
    assert torch.allclose(net(io["x"]), io["y"], rtol=1e-5, atol=1e-6)
print("equal")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "equal\n", done.stderr
