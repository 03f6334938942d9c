"""Progress while a study trains: a bar over all epochs and each arm's test accuracy, or plain lines without a terminal."""

from __future__ import annotations

import math
import time
from typing import Any, TextIO

from dropexp.console.screen import Stream, fits
from dropexp.data import balance, cache_dir
from dropexp.experiment.naming import label
from dropexp.experiment.study import Run
from dropexp.quoting import counted
from dropexp.train.checkpoint import FOLDER
from dropexp.workflow.planning import Plan, tally
from dropexp.workflow.request import Options
from dropexp.workflow.running import Listener

SHOWN_ARMS, SHOWN_PACKS = 8, 20
FIRST_SECONDS, QUIET_SECONDS = 4.0, 15.0  # before the first plain line, and between two


def duration(seconds: float) -> str:
    """Return seconds as text for people: `5 s`, `20 min`, `1.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


class Progress:
    """Shows the progress of every epoch; `listener()` is what a workflow reports to."""

    def __init__(self, stream: TextIO, verbose: Options | None = None):
        """`verbose` is how the study is trained, if packs, times and paths are to be shown too."""
        # the API's may be closed as well
        self.stream: TextIO = stream if isinstance(stream, Stream) else Stream(stream)  # type: ignore[assignment]
        self.verbose = verbose
        self.live: Any = None
        self.bar: Any = None
        self.accuracy: dict[str, dict[str, float]] = {}
        self.done_epochs: dict[str, int] = {}
        self.total, self.spoke, self.told = 0, 0.0, False
        self.first: tuple[float, int] | None = None

    def listener(self) -> Listener:
        return Listener(self.started, self.heard, self.finished, self.warned, self.downloading, registered=self.warned)

    def _print(self, text: str) -> None:
        if self.live is not None:
            self.live.console.print(fits(text, self.stream), markup=False, highlight=False, emoji=False)
        else:
            print(fits(text, self.stream), file=self.stream, flush=True)

    def warned(self, text: str) -> None:
        self._print(text)

    def downloading(self, name: str, so_far: int, total: int) -> None:
        if so_far == 0 or time.monotonic() - self.spoke > 2 or so_far == total:
            self.spoke = time.monotonic()
            self._print(f"{name}: {so_far / 1e6:.1f}" + (f" of {total / 1e6:.1f}" if total else "") + " MB")

    def started(self, plan: Plan) -> None:
        self.close()  # the bar of the round before
        study, self.plan = plan.study, plan
        self.accuracy, self.done_epochs, self.first = {}, {}, None
        text = f"{study.name}: {tally(plan)}"
        if plan.todo:
            text += f" in {counted(len(plan.packs), 'pack')}, {counted(plan.jobs, 'worker')}"
        if study.grow:
            text += f"; {study.grow.grow_to} seeds at most"
        self._print(text)
        for dataset in plan.datasets.values() if plan.todo else ():
            if dataset.sha256:  # a user's own
                for line in (
                    f"data: {dataset.source}",
                    *(f"  {n}" for n in dataset.notes),
                    f"  {balance(dataset).sentence}",
                ):
                    self._print(line)
        for arm, kept in study.twins()[:5]:
            self._print(f"{label(arm, study.axes)} is the same function as {label(kept, study.axes)}: trained once")
        for line in hints(plan):
            self._print(line)
        for line in details(plan, self.verbose) if self.verbose else ():
            self._print(line)
        self.begun, self.packs = time.monotonic(), 0
        self.total = sum(run.config.training.epochs for run in plan.todo)
        self.spoke = time.monotonic()
        if plan.todo and self.stream.isatty():
            self._open()

    def _open(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(file=self.stream)
        self.bar = Bar(TextColumn("epochs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console)
        self.task = self.bar.add_task("", total=self.total)
        self.live = Live(self._view(), console=console, transient=True, refresh_per_second=4)
        self.live.start()

    def _view(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        axes = self.plan.study.axes
        lines = []
        for arm in self.plan.study.arms[:SHOWN_ARMS]:
            seen = [a for a in self.accuracy.get(arm.arm_id, {}).values() if not math.isnan(a)]
            if seen:
                lines.append(f"  {label(arm, axes)}: test {100 * sum(seen) / len(seen):.1f} (n = {len(seen)})")
        return Group(self.bar, Text(fits("\n".join(lines), self.stream)))

    def heard(self, pack: list[Run], epoch: int, left: int, accuracy: dict[str, float]) -> None:
        by_id = {run.run_id: run for run in pack}
        for run_id, number in accuracy.items():
            self.accuracy.setdefault(by_id[run_id].arm_id, {})[run_id] = number
            self.done_epochs[run_id] = epoch
        self._advance()

    def finished(self, pack: list[Run]) -> None:
        for run in pack:
            self.done_epochs[run.run_id] = run.config.training.epochs  # one that stopped early is done too
        if self.verbose:
            self.packs += 1
            after = duration(time.monotonic() - self.begun)
            self._print(
                f"{counted(len(pack), 'run')} stored after {after} (pack {self.packs} of {len(self.plan.packs)})"
            )
        self._advance()

    def _advance(self) -> None:
        done, now = sum(self.done_epochs.values()), time.monotonic()
        if self.first is None and done:
            self.first = (now, done)  # what came before is the workers' start
        if self.live is not None:
            self.bar.update(self.task, completed=done)
            self.live.update(self._view())
        elif self.first is not None and self.first[1] < done < self.total:
            elapsed = now - self.first[0]
            if now - self.spoke > (QUIET_SECONDS if self.told else FIRST_SECONDS) and elapsed > 1:
                self.spoke, self.told = now, True
                left = elapsed * (self.total - done) / (done - self.first[1])
                self._print(f"{done} of {self.total} epochs, about {duration(left)} left")

    def close(self) -> None:
        """Remove the bar."""
        if self.live is not None:
            self.live.stop()
            self.live = None


def details(plan: Plan, options: Options) -> list[str]:
    """Return lines on how a plan is trained: packs, workers, the amount of work, and where everything is stored."""
    folder = options.results / plan.study.name
    lines = [
        f"folder: {folder.as_posix()}; checkpoints: {(plan.executor.keeps(folder) / FOLDER).as_posix()}; "
        f"downloads: {cache_dir(options.data_dir)}"
    ]
    if not plan.todo:
        return lines
    lines.append(
        f"trained: {plan.executor.says}; {counted(plan.jobs, 'worker')}, {counted(options.threads, 'thread')} each, "
        f"device {plan.executor.device(options.device)}; roughly {duration(plan.seconds)} of work for one thread"
    )
    for number, pack in enumerate(plan.packs[:SHOWN_PACKS], 1):
        arms = len({run.arm_id for run in pack})
        epochs = max(run.config.training.epochs for run in pack)
        lines.append(
            f"pack {number}: {counted(len(pack), 'run')} of {counted(arms, 'arm')}, {counted(epochs, 'epoch')} at most"
        )
    more = len(plan.packs) - SHOWN_PACKS
    return [*lines, f"and {counted(more, 'pack')} more"] if more > 0 else lines


def hints(plan: Plan) -> list[str]:
    """Return lines on what would make better use of this machine: idle cores, an idle GPU."""
    cores = plan.executor.machine.usable_cores()
    found = []
    if plan.todo and plan.seconds > 60 and len(plan.packs) < cores and len(plan.todo) < cores:
        found.append(
            f"{counted(len(plan.todo), 'run')} cannot use all cores; --threads {cores // len(plan.todo)} does "
            "(results then agree statistically, not byte for byte)"
        )
    if plan.seconds / max(1, plan.jobs) > 300 and plan.executor.device("auto") != "cpu":
        found.append("a GPU is idle and more than five minutes are left; --device auto uses it")
    return found
