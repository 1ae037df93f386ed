"""Exporting a network: files that other programs read, each read back and compared."""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascout import __version__
from nascout.errors import ExportError, NascoutError
from nascout.graph import graph_cost
from nascout.network.export_check import BATCHES, batch_like, largest_difference, outputs_of
from nascout.network.export_formats import FORMATS, Subject, check_possible, quiet
from nascout.network.module import Network
from nascout.network.source_names import Names
from nascout.space import Architecture

__all__ = ["Exported", "export"]

TOLERANCE = 1e-4
CARD = "model.json"


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    ``files`` by file name, ``max_difference`` by format: the largest difference between the
    outputs of the file, read back, and of the network, relative to the largest output.
    ``skipped`` says of each format that was not asked for by name why it was left out.
    """

    folder: Path
    files: Mapping[str, Path]
    max_difference: Mapping[str, float]
    skipped: Mapping[str, str]


def export(
    net: nn.Module,
    folder: str | Path,
    *,
    formats: Sequence[str] | None = None,
    example_inputs: Tensor | Sequence[Tensor] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Exported:
    """Write ``net`` for inference, read every file back, and compare the outputs.

    ``source`` is ``model.py`` (imports only torch) and ``model.safetensors``; ``pt2`` is
    ``model.pt2`` for :func:`torch.export.load`; ``onnx`` is ``model.onnx``. The batch stays free
    in all. The card ``model.json`` lists the files with their SHA-256, the cost and ``metadata``.
    Files appear in ``folder`` only once all of them agree with the network; other files stay.

    Args:
        net: a :class:`Network`, or any module. It is exported in eval mode, from a copy on the
            CPU, and left as found.
        folder: made if need be.
        formats: some of ``source``, ``pt2`` and ``onnx``; by default all that are possible here.
        example_inputs: a batch for each argument of ``net``, the batch first; a ``Network``
            needs none.
        metadata: JSON-able facts for the card, such as the normalisation and the names of the
            classes. An :class:`Architecture` under ``"architecture"`` is written out.

    Raises:
        ExportError: an unknown format, missing example inputs, metadata that is not JSON, an
            exporter that fails, or a file that does not give the network's outputs back.
        MissingExtra: ``onnx`` by name, without its packages.
        UnsupportedNetwork: ``source`` by name, with an op that has none.
        OSError: a folder that cannot be written, a full disk.

    Example:
        >>> from nascout.network import build
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
        >>> cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     exported = export(build(space.parse(cell)), folder, formats=["source"])
        >>> sorted(exported.files), exported.max_difference["source"] < 1e-6
        (['model.json', 'model.py', 'model.safetensors'], True)
    """
    facts = _facts(metadata or {})
    chosen, skipped = _choose(net, formats)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with (
        torch.random.fork_rng(devices=[]),
        # Beside the target, so that publishing is a rename on one file system.
        tempfile.TemporaryDirectory(dir=target, prefix=".export-") as work,
    ):
        subject = _subject(net, example_inputs, facts)
        differences = {name: _write(name, subject, Path(work)) for name in chosen}
        card = _card(subject, Path(work), differences, skipped, facts)
        (Path(work) / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        # The card goes last: where it stands, everything that it names stands too.
        written = sorted(Path(work).iterdir(), key=lambda path: (path.name == CARD, path.name))
        files = {path.name: path.replace(target / path.name) for path in written}
    return Exported(target, files, differences, skipped)


def _choose(net: nn.Module, formats: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The formats to write, and why the others are not."""
    asked = [formats] if isinstance(formats, str) else FORMATS if formats is None else formats
    skipped: dict[str, str] = {}
    for name in asked:
        if name not in FORMATS:
            raise ExportError(f"unknown export format {name!r}", f"Known: {', '.join(FORMATS)}.")
        try:
            check_possible(name, net)
        except NascoutError as error:
            if formats is not None:
                raise
            skipped[name] = str(error)
    return [name for name in dict.fromkeys(asked) if name not in skipped], skipped


def _subject(
    net: nn.Module, examples: Tensor | Sequence[Tensor] | None, facts: Mapping[str, Any]
) -> Subject:
    """A copy of ``net`` to export, with inputs to trace it by."""
    given = _examples(net, examples)
    with _reported("copying the network"):
        frozen = copy.deepcopy(net).cpu().eval()
    inputs = batch_like(given, max(BATCHES))
    with _reported("running the network in eval mode on the CPU"):
        outputs = outputs_of(frozen, inputs)
    names = Names(())
    keys = [net.graph.nodes[i].key for i in net.graph.inputs] if isinstance(net, Network) else []
    return Subject(
        frozen,
        inputs,
        outputs,
        tuple(names.fresh(key) for key in keys or ["input"] * len(inputs)),
        tuple(names.fresh("output") for _ in outputs),
        _notes(inputs[0].dtype, facts),
    )


def _examples(net: nn.Module, examples: Tensor | Sequence[Tensor] | None) -> list[Tensor]:
    if isinstance(examples, Tensor):
        given = [examples]
    elif examples is not None:
        given = list(examples)
    elif isinstance(net, Network):
        dtype = next((p.dtype for p in net.parameters()), torch.float32)
        given = [torch.zeros(1, *net.graph.shapes[i], dtype=dtype) for i in net.graph.inputs]
    else:
        raise ExportError(
            f"what a {type(net).__name__} takes as input is not known",
            "Pass example_inputs, a batch for each argument.",
        )
    if not given or not all(isinstance(x, Tensor) and x.dim() and len(x) for x in given):
        raise ExportError(
            "example_inputs are not tensors with at least one sample each",
            "Pass, for instance, torch.zeros(1, 3, 32, 32).",
        )
    return [x.detach().cpu() for x in given]


def _write(name: str, subject: Subject, work: Path) -> float:
    """Write one format and return its largest difference, which is within the tolerance."""
    with quiet(), _reported(f"writing {name}"):
        run = FORMATS[name](subject, work)
    worst = 0.0
    for size in BATCHES:
        inputs = batch_like(subject.inputs, size, seed=size)
        expected = outputs_of(subject.net, inputs)
        with quiet(), _reported(f"running what was written as {name} on a batch of {size}"):
            worst = max(worst, largest_difference(expected, run(inputs)))
    # Half precision rounds more than float32 may differ.
    floats = [x.dtype for x in subject.outputs if x.is_floating_point()]
    tolerance = max(TOLERANCE, *(8 * torch.finfo(dtype).eps for dtype in floats), 0.0)
    if worst > tolerance:
        raise ExportError(
            f"the outputs of {name} differ from the network's by {worst:.3g} of the largest output",
            f"At most {tolerance:.3g} is allowed; nothing was written. Leave {name!r} out.",
        )
    return worst


@contextmanager
def _reported(what: str) -> Iterator[None]:
    """Whatever a foreign exporter raises, as one line that says during what."""
    try:
        yield
    except (NascoutError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ExportError(
            f"{what} failed: {type(error).__name__}: {reason}",
            f"Choose other formats among {', '.join(FORMATS)}, or mend the network.",
        ) from error


def _facts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """``metadata`` as JSON-able data."""
    facts = {
        name: {"notation": str(value), **value.to_dict()}
        if isinstance(value, Architecture)
        else value
        for name, value in metadata.items()
    }
    try:
        return dict(json.loads(json.dumps(facts, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise ExportError(
            f"the metadata is not JSON ({error})", "Use text, finite numbers, lists and mappings."
        ) from None


def _notes(dtype: torch.dtype, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What the head of ``model.py`` says besides the network."""
    model = "Model()" if dtype == torch.float32 else f"Model().to({dtype})"
    notes = [f'Weights: {model}.load_state_dict(safetensors.torch.load_file("model.safetensors"))']
    if "architecture" in facts:
        told = facts["architecture"]
        if isinstance(told, dict):
            told = told.get("notation", json.dumps(told))
        notes.append(f"Architecture: {told}")
    return tuple(notes)


def _card(
    subject: Subject,
    work: Path,
    differences: Mapping[str, float],
    skipped: Mapping[str, str],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    net = subject.net
    cost = graph_cost(net.graph) if isinstance(net, Network) else None
    return {
        "nascout": __version__,
        "torch": str(torch.__version__),
        "inputs": _signatures(subject.input_names, subject.inputs),
        "outputs": _signatures(subject.output_names, subject.outputs),
        "params": cost.params if cost else sum(p.numel() for p in net.parameters()),
        "macs": cost.macs if cost else None,
        "formats": list(differences),
        "skipped": dict(skipped),
        "max_difference": dict(differences),
        "files": {path.name: _content(path) for path in sorted(work.iterdir())},
        "metadata": dict(facts),
    }


def _signatures(names: Sequence[str], values: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Name, shape of one sample, and type of each."""
    return [
        {"name": name, "shape": list(value.shape[1:]), "dtype": str(value.dtype)[len("torch.") :]}
        for name, value in zip(names, values, strict=True)
    ]


def _content(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
