"""One torch thread for every test, and small runs and data to train on."""

import dropexp.nn  # noqa: F401 - sets how matrix products round, before torch is imported  # isort: skip

import numpy as np
import pytest
import torch

from dropexp.data.dataset import Dataset
from dropexp.spec.config import Config
from dropexp.spec.identity import arm_id, run_id
from dropexp.spec.study import Run


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_run():
    """Make a run of a seed from sections as YAML has them, or from names with dots such as `training.lr`."""

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
