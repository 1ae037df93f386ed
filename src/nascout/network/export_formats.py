"""The formats of an export: each writes its files, then reads them back as a function to run."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nascout.errors import ExportError, MissingExtra, UnsupportedNetwork
from nascout.network.export_check import Run, as_tuple
from nascout.network.module import Network
from nascout.network.source import source_state, to_source

__all__ = ["FORMATS", "Subject", "check_possible", "quiet"]


@dataclass(frozen=True)
class Subject:
    """What is exported: a copy on the CPU in eval mode, with inputs of several samples."""

    net: nn.Module
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """The network as an exported program whose batch is free; two formats start from it."""
        batch = torch.export.Dim("batch")
        return torch.export.export(
            self.net, self.inputs, dynamic_shapes=self.free_batch(batch), strict=False
        )

    def free_batch(self, batch: object) -> tuple[Any, ...]:
        """``dynamic_shapes``: dimension 0 of every input is ``batch``."""
        given = inspect.signature(self.net.forward).bind(*self.inputs).arguments
        return tuple(
            {0: batch} if isinstance(value, Tensor) else tuple({0: batch} for _ in value)
            for value in given.values()
        )


Write = Callable[[Subject, Path], Run]


def check_possible(name: str, net: nn.Module) -> None:
    """Whether ``net`` can be written as ``name`` here.

    Raises:
        ExportError: source of what is not a :class:`Network`.
        UnsupportedNetwork: source of a network with an op without printer.
        MissingExtra: ONNX without its packages.
    """
    if name == "source":
        if not isinstance(net, Network):
            raise ExportError(
                f"a {type(net).__name__} has no graph to write as source",
                "Leave 'source' out, or export the network that nascout.build gave.",
            )
        source_state(net)
    if name == "onnx" and not all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))):
        raise MissingExtra("ONNX export", "onnx")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters print, log and warn of away from the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def write_source(subject: Subject, folder: Path) -> Run:
    """``model.py`` and ``model.safetensors``, read back by running the file."""
    net = subject.net
    if not isinstance(net, Network):
        raise UnsupportedNetwork("only a Network has source", "Export it as pt2 or onnx.")
    code, weights = folder / "model.py", folder / "model.safetensors"
    code.write_text(to_source(net.graph, notes=subject.notes), encoding="utf-8")
    weights.write_bytes(save({k: v.contiguous() for k, v in source_state(net).items()}))

    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(code.read_text(encoding="utf-8"), str(code), "exec"), names)
    model: nn.Module = names["Model"]().eval()
    model.to(subject.inputs[0].dtype).load_state_dict(load_file(weights))
    return lambda inputs: as_tuple(model(*inputs))


def write_pt2(subject: Subject, folder: Path) -> Run:
    """``model.pt2``, read back by ``torch.export.load``."""
    path = folder / "model.pt2"
    torch.export.save(subject.program, path)
    model = torch.export.load(path).module()
    return lambda inputs: as_tuple(model(*inputs))


def write_onnx(subject: Subject, folder: Path) -> Run:
    """``model.onnx``, read back by onnxruntime; weights beside it only if above 2 GB."""
    import onnxruntime

    path = folder / "model.onnx"
    program = torch.onnx.export(
        subject.program,
        dynamo=True,
        verbose=False,
        input_names=subject.input_names,
        output_names=subject.output_names,
        dynamic_shapes=subject.free_batch("batch"),
    )
    if program is None:
        raise ExportError("torch.onnx gave no program", "Leave 'onnx' out.")
    program.save(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, feed)]

    return run


FORMATS: Mapping[str, Write] = MappingProxyType(
    {"source": write_source, "pt2": write_pt2, "onnx": write_onnx}
)
