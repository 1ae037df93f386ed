"""Evaluating proposals on this machine: cost and scores, short training, final training."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from nascout.data import Data
from nascout.errors import StoreFull
from nascout.graph import Graph, graph_cost
from nascout.hardware import LatencyTable, measure_latency_ms
from nascout.network import build
from nascout.network.memory import is_out_of_memory
from nascout.records import Outcome
from nascout.run.ahead import Ahead
from nascout.run.own_loop import OwnLoop, own_values
from nascout.run.plan import Plan
from nascout.run.result import Result
from nascout.run.weights import save_weights
from nascout.score.evaluate import evaluate
from nascout.search import Proposal
from nascout.space import Architecture
from nascout.train import Diverged, Epoch, Stopped, accuracy, fit

__all__ = ["Evaluator"]

CHECKPOINTS = "checkpoints"
SAVE_SECONDS = 120  # that a training may lose when it is killed, if its epochs take longer


class Evaluator:
    """Turns a proposal into a result; a failure is an outcome, never an exception.

    Args:
        plan: what to compute, under which constraints, with which recipes and seed.
        data: scored on a batch of its training part, trained on a split of it.
        folder: where checkpoints and weights go.
        device: where everything runs.
        own: trains and measures in place of the plan's recipes.
    """

    def __init__(
        self, plan: Plan, data: Data, folder: Path, device: str, own: OwnLoop | None = None
    ) -> None:
        self.plan, self.own = plan, own
        self.split = data.split(seed=plan.seed)
        x, y = data.batch(plan.batch, plan.seed)
        self.x, self.y = x.to(device), y.to(device)
        self.folder = folder
        self.device = device
        self.table = LatencyTable(device)
        # What else is known of an architecture, by its notation.
        self.known: dict[str, dict[str, float]] = {}
        self.ahead = Ahead(plan, self.x, self.y)

    def __call__(
        self,
        proposal: Proposal,
        on_epoch: Callable[[Epoch], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Result:
        """Evaluate; only a stop that was asked for and a full disk get out as exceptions."""
        start = time.perf_counter()
        try:
            if proposal.stage == "score":
                outcome, values, message = self._score(proposal)
            else:
                values = self._costs(proposal.architecture.graph())
                values |= self._train(proposal, on_epoch, should_stop)
                outcome, message = Outcome.OK, ""
        except (Stopped, StoreFull):
            # Not the candidate's doing: the run stops, and goes on when it is started again.
            raise
        except Diverged as error:
            outcome, values, message = Outcome.NONFINITE, {}, str(error)
        except Exception as error:  # noqa: BLE001 - whatever a candidate raises is its outcome
            full = is_out_of_memory(error)
            outcome, values = Outcome.OOM if full else Outcome.FAILED, {}
            message = traceback.format_exc()
            if full and torch.cuda.is_available():
                torch.cuda.empty_cache()
        return Result(outcome, values, message, time.perf_counter() - start)

    def _costs(self, graph: Graph) -> dict[str, float]:
        """Static costs and, unless they already break a constraint, the latency."""
        values = graph_cost(graph).as_dict()
        static = [c for c in self.plan.constraints if c.metric in values]
        if all(c.holds(values) for c in static):
            # Only now: an operation not seen before has to be measured.
            values["latency_ms"] = self.table.latency_ms(graph)
        return values

    def _score(self, proposal: Proposal) -> tuple[Outcome, dict[str, float], str]:
        graph = proposal.architecture.graph()
        values = self._costs(graph) | self.known.get(str(proposal.architecture), {})
        broken = [str(c) for c in self.plan.constraints if not c.holds(values)]
        if broken:
            return Outcome.INFEASIBLE, values, f"breaks {', '.join(broken)}"
        scores = self.ahead.scores(proposal.architecture)
        left = [card.name for card in self.plan.cards if card.name not in scores]
        if left:
            net = build(graph, self.plan.seed, self.device)
            scores |= evaluate(net, self.x, left, labels=self.y)
        bad = next((s for s in scores.values() if s.outcome is not Outcome.OK), None)
        values |= {s.name: s.value for s in scores.values() if s.outcome is Outcome.OK}
        return (bad.outcome, values, bad.message) if bad else (Outcome.OK, values, "")

    def _train(
        self,
        proposal: Proposal,
        on_epoch: Callable[[Epoch], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> dict[str, float]:
        architecture, stage, epochs = proposal.architecture, proposal.stage, proposal.epochs
        net = build(architecture, self.plan.seed, self.device)
        if self.own is not None:
            values = own_values(self.own, net, stage, epochs)
            if stage == "retrain":
                self._keep(architecture, net, values)
            return values
        name = f"{architecture.digest[:16]}-{stage}-{epochs}.safetensors"
        checkpoint = self.folder / CHECKPOINTS / name
        trained = fit(
            net,
            self.split,
            self.plan.recipes[stage],
            epochs=epochs,
            seed=self.plan.seed,
            device=self.device,
            checkpoint=checkpoint,
            save_seconds=SAVE_SECONDS,
            on_epoch=on_epoch,
            should_stop=should_stop,
        )
        if stage == "train":
            values = {"val_accuracy": trained.val_metric, "train_loss": trained.train_loss}
        else:
            values = {"retrained_val_accuracy": trained.val_metric}
            if self.split.test is not None:
                values["test_accuracy"] = accuracy(
                    net, self.split.test, self.split, device=self.device
                )
            self._keep(architecture, net, values)
        checkpoint.unlink(missing_ok=True)
        return values

    def _keep(self, architecture: Architecture, net: nn.Module, values: dict[str, float]) -> None:
        """Measure the clock and write the weights of a network that is ready."""
        net.to(self.device).eval()
        values["measured_latency_ms"] = measure_latency_ms(
            net, architecture.space.input_shape, device=self.device
        )
        save_weights(self.folder, architecture.digest, net)
