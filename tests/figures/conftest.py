"""The figures of made-up studies, each drawn once for all tests that read it."""

from __future__ import annotations

from functools import cache

import pytest

from dropexp.figures.all_figures import FIGURES
from dropexp.figures.style import styled


@pytest.fixture(scope="session")
def drawn(cases):
    """Return the figures of one kind of a case: (stem, figure) each, which no test changes."""

    @cache
    def figures(name, kind):
        with styled():
            return list(FIGURES[kind](cases[name]()))

    return figures
