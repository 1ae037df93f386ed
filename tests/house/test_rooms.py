"""A room imports only itself and the rooms before it; half of them never import torch."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace

# From the foundations up; rooms of one line may import each other.
ROOMS = """
    errors records registry atomic printable
    graph
    space
    network
    data
    score
    hardware
    benchmark
    train
    search
    comparison controller
    oneshot
    growth
    run
    gallery
    report
    api
    cli
    testing __main__
"""
TIERS = [line.split() for line in ROOMS.strip().splitlines()]
TIER = {room: tier for tier, rooms in enumerate(TIERS) for room in rooms}

TORCH_FREE = ("benchmark", "search", "comparison", "graph", "space", "gallery", "report", *TIERS[0])
TORCH_FREE_MODULES = (
    "nascout.api.run",
    "nascout.controller.nas_rl",
    "nascout.controller.ppo",
    "nascout.run.store",
    "nascout.run.schema",
    "nascout.run.database",
)


def imported(tree):
    """``(line, module)`` of every import of the library, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "nascout":
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "relative"
            elif node.module == "nascout":
                for alias in node.names:
                    yield node.lineno, f"nascout.{alias.name}"
            elif node.module.split(".")[0] == "nascout":
                yield node.lineno, node.module


def out_of_order(module):
    """The imports of ``module`` that the order forbids, as ``path:line``."""
    # The face names everything, lazily; testing and `python -m nascout` may too.
    if module.room in ("", *TIERS[-1]):
        return []
    offenders = []
    for line, name in imported(module.tree):
        # `import nascout` is the public API, for the command line to call.
        room = name.partition(".")[2].partition(".")[0] or "api"
        if name == "relative":
            offenders.append(f"{module.path}:{line} imports relatively")
        elif name != "nascout.__version__" and TIER.get(room, len(TIERS)) > TIER[module.room]:
            offenders.append(f"{module.path}:{line} imports {name}")
    return offenders


def test_every_module_has_a_room(modules):
    assert {m.room for m in modules} <= {*TIER, ""}


def test_imports_point_one_way(modules):
    offenders = [o for module in modules for o in out_of_order(module)]
    assert not offenders, "\n".join(["a room imports a later one:", *offenders])


def test_the_check_sees_imports_of_every_kind(modules):
    def found(text):
        low = next(m for m in modules if m.name == "nascout.graph.ops")
        return len(out_of_order(replace(low, tree=ast.parse(text))))

    assert found("from nascout.space import Space") == 1
    assert found("import nascout.network.module") == 1
    assert found("def f():\n    from nascout.cli import app") == 1
    assert found("from nascout import build") == 1
    assert found("from . import shape") == 1
    assert found("from nascout.graph import Graph\nfrom nascout import __version__") == 0


PROBE = """
import importlib, json, sys
offenders = []
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    if "torch" in sys.modules:
        offenders.append(name)
        for loaded in [m for m in sys.modules if m.split(".")[0] == "torch"]:
            del sys.modules[loaded]
print(json.dumps(offenders))
"""


def with_torch(names, **environment):
    """Those of ``names`` whose import brings torch, directly or not."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(names)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_rooms_without_torch(modules):
    wanted = [m.name for m in modules if m.room in TORCH_FREE or m.name in TORCH_FREE_MODULES]
    assert set(TORCH_FREE_MODULES) <= set(wanted)
    assert with_torch(wanted) == []


def test_the_probe_sees_torch(tmp_path):
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "through.py").write_text("import torch")
    (tmp_path / "indirect.py").write_text("import through")
    names = ["nascout.errors", "indirect", "nascout.records"]
    assert with_torch(names, PYTHONPATH=str(tmp_path)) == ["indirect"]
