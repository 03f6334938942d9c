"""One torch thread for every test, and small runs and data to train on; heavy libraries are loaded by workers alone."""

import dropexp  # noqa: F401 - sets how matrix products round, before torch is imported  # isort: skip

import functools
import gc
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

# where benchmarks/ lies; last, so that the installed dropexp is tested
sys.path.append(str(Path(__file__).parent.parent))

# The libraries are a million objects that stay; at Python's threshold of 700 new ones a tenth of the time went to looking
# through them for garbage.
gc.set_threshold(50_000, 20, 20)

# a terminal's width, which pytest's workers are told too, would break lines that tests compare
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# a background job of a shell ignores Ctrl-C, and so would the processes that tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def made_once():
    """Build the command line and read the digits once for all tests, as a process of a user's does once."""
    import typer.main

    from dropexp.data import loading

    command, digits = functools.cache(typer.main.get_command), functools.cache(lambda: loading._digits("digits", {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", command)
        patch.setitem(loading.BUILT_IN, "digits", lambda source, files: digits())
        yield


@pytest.fixture(scope="session")
def make_run():
    """Make a run of a seed from sections as YAML has them, or from names with dots such as `training.lr`."""
    from dropexp.experiment.config import Config
    from dropexp.experiment.identity import arm_id, run_id
    from dropexp.experiment.study import Run

    def make(seed=0, **settings):
        sections = {}
        for path, value in settings.items():
            section, _, name = path.partition(".")
            if name:
                sections.setdefault(section, {})[name] = value
            else:
                sections[section] = {**sections.get(section, {}), **value}
        config = Config.model_validate(sections)
        return Run(config, seed, arm_id(config), run_id(config, seed))

    return make


def _drawn(shape, classes=5):
    """Classes that can be learnt, with much noise: half of each example is its class's own pattern."""
    from dropexp.data.dataset import Dataset

    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(shape[0]) % classes)
    patterns = rng.standard_normal((classes, *shape[1:]))
    x = (3.0 + patterns[y] + 1.5 * rng.standard_normal(shape)).astype(np.float32)
    return Dataset("toy", x, y.astype(np.int64), None, tuple(map(str, range(classes))))


@pytest.fixture(scope="session")
def images():
    """60 images of 6 x 7 pixels in 2 channels and 5 classes."""
    return _drawn((60, 2, 6, 7))


@pytest.fixture(scope="session")
def vectors():
    """120 vectors of 11 features and 5 classes."""
    return _drawn((120, 11))


@pytest.fixture(scope="session")
def cases():
    """The studies of `made_up/made_up_studies.py` by name, each a function that returns its tidy tables, made once."""
    from made_up_studies import ALL

    return ALL


@pytest.fixture(scope="session")
def store_study():
    """Write a made-up study into a folder through the store, as training would; see made_up/stored.py."""
    from stored import stored

    return stored
