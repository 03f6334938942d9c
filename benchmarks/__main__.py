"""The one command: every tool on every workload in turn, medians of ratios, agreement, and benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks.measure import Timing, agreement, matrix_rate, operations, timed, tools
from benchmarks.workloads import WORKLOADS, Workload

RESULTS = Path(__file__).parent / "RESULTS.md"
MARK = "<!-- written by python -m benchmarks; what stands below is kept -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    peers, missing = tools()
    there = ["dropexp-bfloat16", *peers]
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--tools", nargs="+", choices=there, default=there, help="beside dropexp")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-write", action="store_true", help="print only; leave RESULTS.md")
    chosen = parser.parse_args()
    for name in missing:
        print(f"{name}: not installed, left out; pip install 'dropexp[bench]'", file=sys.stderr)
    rate, texts, failed = matrix_rate(), [_header()], False
    for name in chosen.workloads:
        work = WORKLOADS[name]
        found: dict[str, list[Timing]] = {tool: [] for tool in ("dropexp", *chosen.tools)}
        for repeat in range(chosen.repeats):
            for tool in found:  # in turn, so that what else the machine does falls on all alike
                found[tool].append(timed(tool, work))
                last = found[tool][-1]
                print(f"{name} {repeat + 1}/{chosen.repeats} {tool}: {last.seconds:.1f} s", file=sys.stderr, flush=True)
        rate = max(rate, matrix_rate())
        text, agree = _table(work, found, rate)
        failed |= not agree
        print(text)
        texts.append(text)
    if not chosen.no_write:
        kept = RESULTS.read_text(encoding="utf-8").partition(MARK)[2] if RESULTS.exists() else "\n"
        RESULTS.write_text("\n".join(texts) + f"\n{MARK}{kept}", encoding="utf-8")
    return int(failed)


def _header() -> str:
    packages = []
    for name in ("torch", "numpy", "joblib", "lightning", "skorch", "keras"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"# Results\n\n{datetime.now(UTC):%Y-%m-%d}, {_processor()}, Python {platform.python_version()}, {', '.join(packages)}.\n\n"
        "Whole commands, start-up included, two processes of one thread. Seconds are medians over repeats; ratios are medians\n"
        "of each repeat's ratio to dropexp in the same round, in time and in processor time. Neighbours on the machine move\n"
        "the first more than the second.\n"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        flags = next(line for line in lines if line.startswith("flags")).split()
        extras = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
        return f"{name} ({', '.join(extras)}), {sum(line.startswith('processor') for line in lines)} cores"
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _table(work: Workload, found: dict[str, list[Timing]], rate: float) -> tuple[str, bool]:
    """Return a workload's part of the results, and whether all accuracies agree."""
    ours, flops = found["dropexp"], operations(work)
    lines = [
        f"\n## {work.name}\n",
        "| tool | seconds | processor s | times dropexp | in processor time | of the matrix rate | test accuracy by rate, % |",
        "|---|---|---|---|---|---|---|",
    ]
    agree, notes = True, []
    for tool, timings in found.items():
        ratio = median(t.seconds / o.seconds for t, o in zip(timings, ours, strict=True))
        ratio_cpu = median(t.processor / o.processor for t, o in zip(timings, ours, strict=True))
        share = flops / rate / median(t.processor for t in timings)
        last = timings[-1].accuracies
        shown = " ".join(f"{100 * sum(last[r]) / len(last[r]):.1f}" for r in work.rates)
        lines.append(
            f"| {tool} | {median(t.seconds for t in timings):.1f} | {median(t.processor for t in timings):.1f} | {ratio:.2f} "
            f"| {ratio_cpu:.2f} | {100 * share:.0f}% | {shown} |"
        )
        for r in work.rates:
            off, width = agreement(ours[-1].accuracies[r], last[r])
            if tool != "dropexp" and abs(off) > max(width, 0.001):
                agree = False
                notes.append(f"{tool} at rate {r:g}: {100 * off:+.1f} points apart, outside ±{100 * width:.1f}.")
    ends = "Every accuracy agrees with dropexp's within its 99.9% interval." if agree else " ".join(notes)
    counted = f"{flops / 1e9:.0f} GFLOP counted; one thread multiplies matrices at {rate / 1e9:.0f} GFLOP/s here."
    return "\n".join([*lines, "", f"{counted} {ends}", ""]), agree


if __name__ == "__main__":
    raise SystemExit(main())
