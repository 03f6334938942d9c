"""Made-up studies for figures, tables and pages, which look like real ones: curves that overfit, less so with dropout."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from dropexp.analysis.outcomes import Outcome
from dropexp.analysis.tidy import Tidy, tidy
from dropexp.experiment.claims import Claim, Part
from dropexp.experiment.config import Config
from dropexp.experiment.foreign_study import Foreign, ForeignArm
from dropexp.experiment.study import Study


def with_leaf(config: Config, path: str, value: object) -> Config:
    """Return a configuration with one leaf replaced, checked anew."""
    data = config.model_dump()
    *sections, name = path.split(".")
    at = data
    for section in sections:
        at = at[section]
    at[name] = value
    return Config.model_validate(data)


def study(
    axes: dict | list[dict], seeds: int = 10, base: Config | None = None, claims: tuple[Claim, ...] = ()
) -> Study:
    """Return the study of a grid, or of the union of several."""
    base = base or Config()
    grids = axes if isinstance(axes, list) else [axes]
    configs: dict[Config, None] = {}
    for grid in grids:
        for values in product(*grid.values()):
            config = base
            for path, value in zip(grid, values, strict=True):
                config = with_leaf(config, path, value)
            configs[config] = None
    written = tuple(tuple((path, tuple(values)) for path, values in grid.items()) for grid in grids)
    return Study("made-up", Path(), base, written, tuple(range(seeds)), tuple(configs), claims)


def rows(made: Study, epochs: int = 40, effect: float = 0.012, spread: float = 0.004) -> tuple:
    """Return runs and epochs: accuracies that rise and flatten, the gap smaller by `effect` at rate 0.5."""
    runs, curves = [], []
    t = np.arange(1, epochs + 1)
    for arm in {a.arm_id: a for a in made.arms}.values():
        rate = arm.trained.dropout.rate if arm.masked else 0.0
        noise = arm.config.data.label_noise
        shift = 0.004 * (len(arm.config.dropout.placement) - 1) if arm.masked else 0.0
        shift += 0.006 * (arm.trained.model.order == "dropout-norm-activation")
        for seed in made.seeds:
            pair = np.random.default_rng(seed)
            own = np.random.default_rng([seed, int(1000 * rate), len(arm.arm_id), sum(map(ord, arm.arm_id))])
            level = 0.96 + spread * pair.standard_normal() + 0.4 * spread * own.standard_normal()
            level += 2 * effect * rate * (1 - max(0.0, rate - 0.6) * 5) - shift - 0.5 * noise * (1 - rate)
            speed = 3 + 8 * rate
            train = 1 - 0.6 * np.exp(-t / speed) - max(0.0, rate - 0.6) * 0.06
            test = level - 0.55 * np.exp(-t / speed) - 0.0002 * t + 0.002 * own.standard_normal(epochs)
            run = f"{arm.arm_id}-s{seed}"
            patience = arm.config.early_stopping.patience
            last = epochs if patience is None else min(epochs, 12 + patience + int(pair.integers(0, 6)))
            selected = last if patience is None else last - patience
            train = train + 0.002 * own.standard_normal(epochs)
            train, test = np.minimum(np.round(train * 500) / 500, 1), np.round(test * 539) / 539
            clean = 1 - 0.5 * noise * rate * np.ones(epochs)
            for e in range(last):
                curves.append(
                    {"run_id": run, "arm_id": arm.arm_id, "seed": seed, "epoch": e + 1, "train_accuracy": train[e]}
                    | {"test_accuracy": test[e], "train_loss": 1 - train[e], "test_loss": 1 - test[e]}
                    | (
                        {"clean_train_accuracy": clean[e], "memorised": (1 - rate) * 0.8, "recovered": rate * 0.8}
                        if noise
                        else {}
                    )
                )
            s = selected - 1
            runs.append(
                {"run_id": run, "arm_id": arm.arm_id, "seed": seed, "epochs_run": last, "selected_epoch": selected}
                | {"stop_reason": "max_epochs" if last == epochs else "patience", "parameters": 1000}
                | {"train_accuracy": train[s], "test_accuracy": test[s], "gap": train[s] - test[s]}
                | {"train_loss": 1 - train[s], "test_loss": 1 - test[s]}
                | {"train_examples": 500, "test_examples": 50_000, "classes": 10, "test_set": "official"}
                | ({"clean_train_accuracy": clean[s], "clean_gap": clean[s] - test[s]} if noise else {})
            )
    return pd.DataFrame(runs), pd.DataFrame(curves)


def made_up(axes: dict | list[dict], seeds: int = 10, base: Config | None = None, **shape: float) -> Tidy:
    made = study(axes, seeds, base)
    return tidy(made, *rows(made, **shape))


def overfitting(axes: dict, seeds: int = 10, parts: bool = False) -> Tidy:
    """Return a study with a validation loss that falls and rises again, and, with `parts`, the probe's rows."""
    made = study(axes, seeds)
    runs, epochs = rows(made)
    draw, epoch = np.random.default_rng(0), epochs["epoch"]
    rise = 0.002 * np.maximum(0, epoch - 15)
    epochs["val_loss"] = 0.2 + np.exp(-epoch / 5) + rise + draw.normal(0, 0.004, len(epochs))
    epochs["val_accuracy"] = epochs["test_accuracy"] + 0.01
    epochs["dropout_on_train_accuracy"] = epochs["train_accuracy"] - 0.09
    probes = [
        {"run_id": run, "epoch": epoch, "probe": "gap_parts", "layer": layer, "value": accuracy + by}
        for run, epoch, accuracy in epochs[["run_id", "epoch", "train_accuracy"]].itertuples(index=False)
        for layer, by in (("noise_batch", -0.05), ("batch", 0.01), ("running", 0.0))
        if parts
    ]
    return tidy(made, runs, epochs, pd.DataFrame(probes))


class Answered:
    """Outcomes that agree with the made-up test accuracies on average: some examples are hard for every run."""

    def __init__(self, made: Tidy, classes: int, count: int):
        self.rows, self.classes, self.count = made.runs.set_index("run_id"), classes, count

    def get(self, run_id: str) -> Outcome:
        shared, own = np.random.default_rng(0), np.random.default_rng(list(map(ord, run_id)))
        label, hard = shared.integers(0, self.classes, self.count), shared.beta(0.3, 3.0, self.count)
        wrong = own.random(self.count) < 12 * hard * (1 - self.rows.loc[run_id, "test_accuracy"])
        return Outcome(np.arange(self.count), label, np.where(wrong, (label + 1) % self.classes, label))


def answered(made: Tidy, classes: int = 10, count: int = 500) -> Tidy:
    """Return a study whose runs kept their outcomes."""
    return replace(made, outcomes=Answered(made, classes, count))


ORDERS = (
    "norm-activation-dropout",
    "norm-dropout-activation",
    "activation-norm-dropout",
    "activation-dropout-norm",
    "dropout-norm-activation",
    "dropout-activation-norm",
)
BATCH = with_leaf(Config(), "model.norm", "batch")
PLACES = (("hidden",), ("input",), ("hidden", "input"))
RATES = (0.0, 0.2, 0.5)


def broken(axes: dict, **changes: object) -> Tidy:
    """Return a study one of whose arms diverged in half of its seeds, and another of which is missing."""
    made = study(axes)
    runs, epochs = rows(made)
    first, last = made.arms[0].arm_id, made.arms[-1].arm_id
    runs.loc[(runs.arm_id == last) & (runs.seed % 2 == 0), ["stop_reason", "test_loss"]] = ["diverged", np.nan]
    gone = [a.arm_id for a in made.arms if a.arm_id not in (first, last)][:1]
    keep = ~runs.arm_id.isin(gone)
    return tidy(made, runs[keep], epochs[~epochs.arm_id.isin(gone)])


def constant() -> Tidy:
    """Return a study in which every accuracy is 1.0."""
    made = study({"dropout.rate": RATES}, 5)
    runs, epochs = rows(made, epochs=3)
    for frame in (runs, epochs):
        frame[["train_accuracy", "test_accuracy"]] = 1.0
    return tidy(made, runs.assign(gap=0.0), epochs)


def lost(axes: dict) -> Tidy:
    """Return a study all of whose runs diverged."""
    made = study(axes, 3)
    runs, epochs = rows(made, epochs=3)
    return tidy(made, runs.assign(stop_reason="diverged"), epochs)


def few_tests(found: Tidy) -> Tidy:
    """Return a study whose test set is too small for its differences to reach further."""
    return replace(found, runs=found.runs.assign(test_examples=500.0))


def collapsed() -> Tidy:
    """Return a study whose highest rate guesses, and learns nothing else."""
    made = study({"dropout.rate": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)}, 5)
    runs, epochs = rows(made)
    for frame in (runs, epochs):
        at = frame.arm_id == made.arms[-1].arm_id
        frame.loc[at, "train_accuracy"] = 0.124 + 0.001 * frame.loc[at, "seed"]
        frame.loc[at, "test_accuracy"] = 0.093 + 0.002 * frame.loc[at, "seed"]
    return tidy(made, runs.assign(gap=runs.train_accuracy - runs.test_accuracy), epochs)


def crossed() -> Tidy:
    """Return a 2 x 2 study in which rate 0.5 does more for the wider network."""
    made = study({"model.hidden": ((16,), (64,)), "dropout.rate": (0.0, 0.5)}, 5)
    runs, epochs = rows(made, epochs=3)
    for arm, gain in zip(made.arms, (0.0, 0.01, 0.0, 0.03), strict=True):
        at = runs.arm_id == arm.arm_id
        seed = runs.loc[at, "seed"]
        runs.loc[at, "test_accuracy"] = 0.9 + 0.002 * seed + gain + (0.001 * seed if gain == 0.03 else 0.0)
    return tidy(made, runs, epochs)


def claimed() -> Tidy:
    """Return a study with claims of every kind and verdict."""

    def part(kind: type, rate: object, expect: str, metric: str = "test_accuracy", **more: object) -> Claim | Part:
        against = {} if rate == "all" else {"dropout.rate": 0.0}
        return kind(metric=metric, compare={"dropout.rate": rate}, against=against, expect=expect, **more)

    claims = (
        part(Claim, 0.5, "lower", "gap", says="dropout 0.5 narrows the gap"),
        part(Claim, 0.5, "lower", says="half of the units dropped is too much, whatever one thinks of the matter"),
        part(Claim, 0.2, "equal", margin=0.05, says="a fifth makes no difference worth speaking of"),
        part(Claim, 0.2, "higher", "test_loss"),
        part(Claim, "all", "interior_best"),
        part(Claim, 0.5, "at_least", margin=0.01),
        Claim(says="both", all=(part(Part, 0.5, "lower", "gap"), part(Part, 0.5, "higher"))),
    )
    made = study({"dropout.rate": RATES}, 5, claims=claims)
    return tidy(made, *rows(made))


def elsewhere() -> Tidy:
    """Return a study that others trained, whose columns and values are long words."""
    names = ("a-sentence_that/nobody.would write into a cell", "b" * 60, "c $x_1$ 100%", "short", "d, e; f: g = h + i")
    arms = tuple(
        ForeignArm((("a column with a rather long heading", name), ("augmentation", other)))
        for name in names
        for other in ("none at all", "flips+crops+colour jitter of every image")
    )
    made = Foreign("elsewhere", tuple(range(4)), arms)
    found, curves = [], []
    for i, arm in enumerate(arms):
        for seed in made.seeds:
            test = 0.8 + 0.01 * i + 0.003 * ((7 * i + 5 * seed) % 11)
            of = {"run_id": arm.run_id(seed), "arm_id": arm.arm_id, "seed": seed}
            shape = {"train_accuracy": 0.99, "test_accuracy": test}
            curves += [of | {"epoch": e} | {name: v * e / 4 for name, v in shape.items()} for e in (1, 2, 3, 4)]
            found.append(of | {"epochs_run": 4, "selected_epoch": 4, "stop_reason": "max_epochs"} | shape)
    return tidy(
        made, pd.DataFrame(found).assign(gap=lambda r: r.train_accuracy - r.test_accuracy), pd.DataFrame(curves)
    )


def empty() -> Tidy:
    made = study({"dropout.rate": RATES})
    return tidy(made, pd.DataFrame(), pd.DataFrame())


CASES = {
    "rates": lambda: made_up({"dropout.rate": RATES}),
    "high-rates": lambda: made_up({"dropout.rate": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)}),
    "undecided": lambda: made_up({"dropout.rate": (0.0, 0.2)}, 5, effect=0.003, spread=0.008),
    "one-seed": lambda: made_up({"dropout.rate": RATES}, 1),
    "one-arm": lambda: made_up({}),
    "one-arm-one-seed": lambda: made_up({}, 1),
    "placement": lambda: made_up({"dropout.placement": PLACES}),
    "rate-placement": lambda: made_up({"dropout.rate": RATES, "dropout.placement": PLACES}),
    "orders": lambda: made_up({"model.order": ORDERS}, base=BATCH),
    "rate-orders": lambda: made_up({"dropout.rate": RATES, "model.order": ORDERS}, base=BATCH),
    "patience": lambda: made_up({"early_stopping.patience": (None, 5, 20), "dropout.rate": (0.0, 0.5)}),
    "oracle": lambda: made_up(
        {"dropout.rate": RATES},
        base=Config.model_validate({"early_stopping": {"patience": 5, "monitor": "test_accuracy"}}),
    ),
    "noise": lambda: made_up({"data.label_noise": (0.0, 0.2), "dropout.rate": RATES}),
    "three": lambda: made_up(
        {"dropout.rate": RATES, "dropout.placement": PLACES, "data.train_size": (100, 300, 1000)}, 4, epochs=20
    ),
    "train-size": lambda: made_up({"data.train_size": (100, 200, 500, 1000), "dropout.rate": (0.0, 0.5)}, 5),
    "hundred": lambda: made_up(
        {"dropout.rate": tuple(i / 20 for i in range(20)), "training.lr": (0.01, 0.02, 0.05, 0.1, 0.2)}, 3, epochs=5
    ),
    "long": lambda: made_up(
        {
            "model.order": ORDERS[:3],
            "dropout.placement": (("hidden",), ("input", "hidden"), ("hidden.1",)),
            "training.lr": (0.001, 0.01, 0.1),
            "dropout.rate": (0.0, 0.5),
        },
        3,
        base=BATCH,
        epochs=5,
    ),
    "placements": lambda: made_up(
        {"dropout.placement": [("input",), *((f"hidden.{i}",) for i in range(1, 9)), ("all",), ("last", "input")]},
        4,
        base=with_leaf(Config(), "model.hidden", (32,) * 8),
        epochs=5,
    ),
    "many": lambda: made_up(
        {"dropout.rate": tuple(i / 25 for i in range(24)), "data.train_size": (100, 500, 1000)}, 2, epochs=3
    ),
    "hidden": lambda: made_up({"model.hidden": ((64,), (256,), (256, 256)), "dropout.rate": (0.0, 0.5)}),
    "widths": lambda: made_up({"model.hidden": ((16,), (64,), (256,), (1024,)), "dropout.rate": (0.0, 0.5)}, 4),
    "lstm": lambda: made_up(
        [
            {"dropout.rate": (0.0,)},
            {"dropout.rate": (0.3,), "dropout.placement": (("input",), ("output",))},
            {
                "dropout.rate": (0.3,),
                "dropout.placement": (("recurrent",),),
                "dropout.recurrent": ("step", "sequence", "candidate"),
            },
        ],
        3,
        base=Config.model_validate({"model": {"kind": "lstm"}}),
        epochs=20,
    ),
    "few-tests": lambda: few_tests(made_up({"dropout.rate": RATES})),
    "kinds": lambda: made_up(
        [{"dropout.rate": (0.0,)}, {"dropout.rate": (0.5,), "dropout.kind": ("bernoulli", "gaussian", "fixed_count")}],
        5,
    ),
    "two": lambda: made_up({"dropout.rate": (0.0, 0.5)}),
    "lost": lambda: lost({"dropout.rate": RATES, "dropout.placement": PLACES}),
    "collapsed": collapsed,
    "claimed": claimed,
    "crossed": crossed,
    "overfitting": lambda: overfitting({"dropout.rate": RATES}),
    "overfitting-patience": lambda: overfitting({"early_stopping.patience": (None, 5), "dropout.rate": (0.0, 0.5)}),
    "parts": lambda: overfitting({"dropout.rate": RATES, "dropout.placement": PLACES}, parts=True),
    "parts-one": lambda: overfitting({}, 1, parts=True),
    "broken": lambda: broken({"dropout.rate": RATES}),
    "constant": constant,
    "empty": empty,
    "answered-one": lambda: answered(made_up({"dropout.rate": (0.0, 0.5)}, 5)),
    "answered": lambda: answered(made_up({"dropout.rate": RATES}, 5), 3),
    "answered-many": lambda: answered(
        made_up({"dropout.rate": RATES, "model.order": ORDERS}, 2, base=BATCH, epochs=20), 100, 3000
    ),
}


WORDY = {"elsewhere": elsewhere}  # words too long for a console
ALL = {name: cache(make) for name, make in (CASES | WORDY).items()}
