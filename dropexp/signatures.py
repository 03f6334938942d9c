"""One list of parameters for several functions: what they share is declared once, as the signature of another function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any


def taking(lender: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that puts the parameters of `lender` in the place of a function's first.

    The function is called with what `lender` returns for them. Both may be asked for their signature, as typer and
    notebooks do: it is that of a function with all of these parameters.
    """
    lent = inspect.signature(lender, eval_str=True).parameters

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(function, eval_str=True)
        rest = list(own.parameters.values())[1:]
        merged = sorted([*lent.values(), *rest], key=lambda parameter: parameter.kind)
        signature = own.replace(parameters=merged)

        @wraps(function)
        def called(*args: Any, **given: Any) -> Any:
            bound = signature.bind(*args, **given)
            bound.apply_defaults()
            asked = lender(**{name: bound.arguments.pop(name) for name in lent})
            return function(asked, **bound.arguments)

        called.__signature__ = signature  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in merged}
        return called

    return decorate
