"""Who does the steps: this process, or several of its own. Another engine has the same face."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Protocol

import torch

from nascout.errors import ConfigError, StoreFull
from nascout.records import Outcome
from nascout.run.growth.records import Job, Made
from nascout.run.growth.workshop import Hooks, Workshop
from nascout.train import Stopped

__all__ = ["Engine", "Here", "Workers"]

POLL_SECONDS = 0.2


class Engine(Protocol):
    """Does steps, in whatever order and wherever it likes; writes no row of the store.

    A step is a :class:`Job`, plain data; what it reads and the weights that it writes are in the
    run's folder. An engine on other machines needs that folder, and nothing else, to be shared.
    """

    @property
    def free(self) -> int:
        """How many more steps it can take now."""

    def submit(self, job: Job) -> None:
        """Take a step; there must be room for it."""

    def result(self) -> tuple[Job, Made]:
        """Wait for the next step to be done.

        A step whose process died has the outcome ``killed``.

        Raises:
            Stopped: the caller asked to stop, and nothing is being worked on any more.
            StoreFull: no space left for weights.
        """

    def close(self) -> None:
        """Let go of everything. Steps that are not done are lost."""


class Here:
    """One step at a time, in this process."""

    def __init__(self, workshop: Workshop, hooks: Hooks) -> None:
        self.workshop, self.hooks = workshop, hooks
        self._next: Job | None = None

    @property
    def free(self) -> int:
        """One, or none."""
        return int(self._next is None)

    def submit(self, job: Job) -> None:
        """Keep it until the result is asked for."""
        self._next = job

    def result(self) -> tuple[Job, Made]:
        """Do it."""
        job, self._next = self._next, None
        assert job is not None
        return job, self.workshop(job, self.hooks)

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    job: Job | None = None


class Workers:
    """Several steps at a time, each in a process of its own that stays for the next step.

    Args:
        workshop: goes to each process once; it must be possible to send it there.
        count: of processes.
        should_stop: asked while waiting; every process is then told.
    """

    def __init__(self, workshop: Workshop, count: int, should_stop: Callable[[], bool]) -> None:
        self.workshop, self.should_stop = workshop, should_stop
        self.threads = max(1, torch.get_num_threads() // count)
        self.count = count
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        self._workers: list[_Worker] = []

    @property
    def free(self) -> int:
        """Processes without work, or not started yet."""
        return self.count - sum(worker.job is not None for worker in self._workers)

    def submit(self, job: Job) -> None:
        """Give it to a process without work.

        Raises:
            ConfigError: the model cannot be sent to one.
        """
        idle = [worker for worker in self._workers if worker.job is None]
        worker = idle[0] if idle else self._started()
        worker.job = job
        try:
            worker.pipe.send(job)
        except OSError:
            return  # the process is dead, which shows when its result is waited for

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        arguments = (self.workshop, theirs, self._stop, self.threads)
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        try:
            process.start()
        except Exception as error:  # a user's object may fail to be sent in any way
            raise ConfigError(
                f"the model cannot be sent to another process ({error})",
                'Name it by its code ("model.py:make_model"), or use workers=1.',
            ) from error
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def result(self) -> tuple[Job, Made]:
        """What the first process that is done says."""
        while True:
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy:
                raise Stopped
            if self.should_stop():
                self._stop.set()
            wait([w.pipe for w in busy] + [w.process.sentinel for w in busy], POLL_SECONDS)
            for worker in busy:
                job = worker.job
                assert job is not None
                if worker.pipe.poll() or not worker.process.is_alive():
                    made = self._heard(worker)
                    if made is not None:
                        return job, made

    def _heard(self, worker: _Worker) -> Made | None:
        """What a process says; None where it stopped in the middle, as it was told to."""
        worker.job = None
        try:
            said: Made | StoreFull | None = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._workers.remove(worker)
            code = worker.process.exitcode
            return Made(Outcome.KILLED, message=f"its process ended with exit code {code}")
        if isinstance(said, StoreFull):
            raise said
        return said

    def close(self) -> None:
        """End all processes."""
        self._stop.set()
        for worker in self._workers:
            worker.pipe.close()
            worker.process.kill()
            worker.process.join()


def _work(workshop: Workshop, pipe: Connection, stop: Event, threads: int) -> None:
    """Do steps until nobody sends any more. Signals are the first process's business."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(threads)
    first = os.getppid()
    # An orphan must not write into a run that somebody may have resumed.
    hooks = Hooks(should_stop=lambda: stop.is_set() or os.getppid() != first)
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        said: Made | StoreFull | None
        try:
            said = workshop(job, hooks)
        except Stopped:
            said = None
        except StoreFull as error:
            said = error
        try:
            pipe.send(said)
        except OSError:
            return
