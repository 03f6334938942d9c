"""What a workflow asks of an executor: to train packs, what there is to train them on, and where checkpoints lie."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dropexp.executors import machine
from dropexp.records import Outcome

Train = Callable[..., Outcome]  # (work, shared[source], report) -> Outcome
Listen = Callable[[int, int, int, dict[str, float]], None]  # pack, epoch, runs left, test accuracy by run
Meanwhile = Callable[[], None]  # what this process does once, while workers begin
Stop = Callable[[], bool]  # whether packs should be left at the end of their epoch, and no other begun


class Map(Protocol):
    """Trains packs and yields (index of the pack, its outcome) as they finish.

    An exception in a pack is an outcome with an error. Where `stop` turns true, every pack is left at the end of its
    epoch. `meanwhile` may be called once, while workers begin. Only plain data goes to a worker and comes back.
    """

    def __call__(
        self,
        train: Train,
        packs: Sequence[Any],
        shared: Mapping[str, Any],
        jobs: int,
        listen: Listen,
        stop: Stop = ...,
        meanwhile: Meanwhile = ...,
    ) -> Generator[tuple[int, Outcome], None, None]: ...


class Machine(Protocol):
    """What one place offers that trains packs: the module `machine` for this one, another object for a cluster's node.

    Asked again at each call, since memory comes and goes; only `devices` may load torch.
    """

    def machines(self) -> int:
        """Return how many such places there are, at least 1."""

    def usable_cores(self) -> int:
        """Return the physical cores that packs may use, at least 1."""

    def free_bytes(self) -> int:
        """Return the bytes of memory that packs may use."""

    def devices(self) -> tuple[str, ...]:
        """Return the names of the devices there, those that `auto` prefers first, `cpu` last."""

    def may_start(self) -> bool:
        """Whether worker processes can be started from here."""


@dataclass(frozen=True)
class Executor:
    """A row of EXECUTORS: one way of training packs, which leaves no trace in any result.

    One that needs settings, such as a cluster's address, binds them in its row's functions.
    """

    says: str
    map: Map
    workers: bool  # whether packs train in other processes, several at once; else one after another in this process
    machine: Machine = machine
    # The folder below which runs keep their checkpoints, from the study's own. Workers write there and the process that
    # plans reads there, so both must reach it.
    keeps: Callable[[Path], Path] = lambda folder: folder
    # Has a module loaded for workers, while this process does something else.
    loading: Callable[[str], AbstractContextManager[None]] = lambda module: nullcontext()

    def device(self, name: str) -> str:
        """Return the device that a name stands for: `auto` is the first that is there."""
        return self.machine.devices()[0] if name == "auto" else name

    def jobs(self, each: int, threads: int = 1) -> int:
        """Return how many packs may train at once: one per `threads` cores, as far as memory holds `each` bytes for one."""
        if not self.workers:
            return 1
        at_one = min(self.machine.usable_cores() // threads, self.machine.free_bytes() // each)
        return max(1, self.machine.machines() * at_one)

    def room(self, jobs: int) -> int:
        """Return the bytes that a pack may take where `jobs` train at once: each one's share of half of what is free."""
        at_one = -(-jobs // self.machine.machines())
        return max(1, self.machine.free_bytes() // 2 // at_one)
