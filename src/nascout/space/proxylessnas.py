"""ProxylessNAS: 21 inverted residual blocks, most of which may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Builder, Graph
from nascout.graph.gates import ReLU6
from nascout.graph.ops import GlobalAvgPool, Linear
from nascout.space.architecture import Architecture
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.inverted_residual import inverted_residual
from nascout.space.relaxation import ByDecision, need_whole
from nascout.space.space import Space, space
from nascout.space.superposition import pick

__all__ = ["ProxylessNas"]

RELU6: Final = ReLU6()
OPS: Final = ("k3_e3", "k3_e6", "k5_e3", "k5_e6", "k7_e3", "k7_e6")
#: Channels of the stem, the first block, each stage, and before the classifier.
WIDTHS: Final = {
    "search": (32, 16, 24, 40, 80, 96, 192, 320, 1280),
    "mobile": (32, 16, 32, 40, 80, 96, 192, 320, 1280),
    "gpu": (40, 24, 32, 56, 112, 128, 256, 432, 1728),
    "cpu": (40, 24, 32, 48, 88, 104, 216, 360, 1432),
    "mobile_14": (48, 24, 40, 56, 112, 136, 256, 448, 1792),
}
LAYERS: Final = (4, 4, 4, 4, 4, 1)
DECISIONS: Final = tuple(
    Choice(f"stage{stage}_layer{layer}", (*OPS, "zero") if layer else OPS)
    for stage, layers in enumerate(LAYERS, 1)
    for layer in range(layers)
)
MOBILE: Final = "|".join(
    (
        *("k5_e3", "k3_e3", "zero", "zero", "k7_e3", "k3_e3", "k5_e3", "k5_e3"),
        *("k7_e6", "k5_e3", "k5_e3", "k5_e3", "k5_e6", "k5_e3", "k5_e3", "k5_e3"),
        *("k7_e6", "k7_e6", "k7_e3", "k7_e3", "k7_e6"),
    )
)
GPU: Final = "|".join(
    (
        *("k5_e3", "zero", "zero", "zero", "k7_e3", "k3_e3", "zero", "zero"),
        *("k7_e6", "k5_e3", "zero", "zero", "k5_e6", "k3_e3", "k5_e3", "zero"),
        *("k7_e6", "k7_e6", "k7_e6", "k5_e6", "k7_e6"),
    )
)
CPU: Final = "|".join(
    (
        *("k3_e6", "k3_e3", "k3_e3", "k3_e3", "k3_e6", "k3_e3", "k3_e3", "k5_e3"),
        *("k3_e6", "k3_e3", "zero", "zero", "k5_e6", "k3_e3", "k3_e3", "k3_e3"),
        *("k5_e6", "k5_e3", "k5_e3", "k3_e3", "k5_e6"),
    )
)


@space("proxylessnas", paper="arXiv:1812.00332")
class ProxylessNas(Space):
    """About 2.2e17 networks: the kernel and expansion of 21 blocks, 15 of which may be missing.

    After a stem of stride 2 and a block of expansion 1, six stages of 4, 4, 4, 4, 4 and 1 inverted
    residual blocks with filters of 3x3, 5x5 or 7x7 and expansion 3 or 6. A block that keeps its
    shape may be ``zero``: it leaves its input as it is. ReLU6 throughout.

    ``known`` has the four released networks, each with widths of its own (``backbone``):

    ==================  ===========  =========  ==============  ==============
    name                backbone     params     MACs            published MACs
    ==================  ===========  =========  ==============  ==============
    proxyless_mobile    mobile       4,080,512  320,428,584     320M
    proxyless_gpu       gpu          7,119,848  465,261,160     none
    proxyless_cpu       cpu          4,361,648  439,244,864     none
    proxyless_mobile_14 mobile_14    6,857,568  580,884,408     581M
    ==================  ===========  =========  ==============  ==============

    Where a stage has fewer than four blocks, the zeros are written last; as they do nothing,
    their place does not matter. The PyramidNet of the paper's CIFAR-10 results is not here.

    Args:
        backbone: whose widths: ``mobile``, ``gpu``, ``cpu``, ``mobile_14``, or ``search``, the
            default of the released search code, with 24 channels in the first stage, not 32.
        divisor: all widths are divided by it, rounded down.
        strides: of the stem, the first block and each stage.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: the blocks, ``k5_e3|k3_e3|zero|...``; the widths are no part of it.

    Example:
        >>> gpu = ProxylessNas(backbone="gpu")
        >>> gpu.parse(gpu.known["proxyless_gpu"]).choices["stage2_layer0"]
        'k7_e3'
    """

    known: ClassVar[Mapping[str, str]] = {
        "proxyless_mobile": MOBILE,
        "proxyless_gpu": GPU,
        "proxyless_cpu": CPU,
        "proxyless_mobile_14": MOBILE,
    }
    known_skeletons: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"backbone": name.removeprefix("proxyless_")} for name in known
    }
    backbone: str = "mobile"
    divisor: int = 1
    strides: tuple[int, ...] = (2, 1, 2, 2, 2, 1, 2, 1)
    classes: int = 1000
    input_shape: tuple[int, int, int] = (3, 224, 224)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone not in WIDTHS:
            raise ConfigError(
                f"{self.name}: backbone = {self.backbone!r}", f"Choose one of {', '.join(WIDTHS)}."
            )
        if len(self.strides) != 2 + len(LAYERS):
            raise ConfigError(
                f"{self.name}: {len(self.strides)} strides",
                f"Give {2 + len(LAYERS)}: of the stem, the first block and each stage.",
            )

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """One of six blocks, or ``zero`` where the shape stays."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, a block of expansion 1, six stages, a 1x1 convolution, classifier."""
        widths = (max(1, width // self.divisor) for width in WIDTHS[self.backbone])
        stem, width, *stages, last = widths
        g = Builder()
        x = g.chain(conv_bn(stem, 3, self.strides[0], RELU6), g.input(self.input_shape), key="stem")
        x = _block(g, x, "k3_e1", (stem, width), self.strides[1], key="stage0/layer0")
        values = iter(architecture.values)
        skeleton = zip(stages, self.strides[2:], LAYERS, strict=True)
        for i, (out, stride, layers) in enumerate(skeleton, 1):
            for layer in range(layers):
                name, here = next(values) or "", 1 if layer else stride
                x = _block(g, x, name, (width, out), here, key=f"stage{i}/layer{layer}")
                width = out
        head = (*conv_bn(last, activation=RELU6), GlobalAvgPool(), Linear(self.classes))
        return g.graph(g.chain(head, x, key="head"))

    def relaxation(self, partial: int = 1) -> ByDecision:
        """Every block in every place."""
        return ByDecision(self, need_whole(self, partial))

    def parse(self, text: str) -> Architecture:
        """Read the notation that ``format`` writes.

        Raises:
            ArchitectureError: not 21 blocks, or a block that is not of the space.
        """
        values = tuple(text.strip().split("|"))
        if len(values) != len(DECISIONS):
            raise ArchitectureError(
                f"malformed architecture {text!r}",
                "Write 21 blocks with | between them, such as k5_e3|k3_e3|zero.",
            )
        return Architecture(self, values)

    def format(self, architecture: Architecture) -> str:
        """The blocks, with ``|`` between them."""
        return "|".join(value or "" for value in architecture.values)


def _block(g: Builder, x: int, name: str, channels: tuple[int, int], stride: int, key: str) -> int:
    def build(option: str, scope: str) -> int:
        if option == "zero":
            return x
        return inverted_residual(
            g,
            x,
            channels,
            expansion=int(option[4]),
            kernel=int(option[1]),
            stride=stride,
            key=scope,
            activation=RELU6,
        )

    return pick(g, name, build, key, alone=key)
