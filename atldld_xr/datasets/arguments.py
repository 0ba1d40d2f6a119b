"""Functions that take what `plan_dataset` takes: its arguments are spelled there alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Planned = TypeVar("Planned")
Made = TypeVar("Made")


def with_arguments_of(
    plan: Callable[P, Planned],
) -> Callable[[Callable[[Planned], Made]], Callable[P, Made]]:
    """Decorate a function of a plan: it then takes what the plan is made of.

    Parameters
    ----------
    plan : callable
        Makes a plan. Its signature is the decorated function's, for people and for type checkers.
    """

    def decorate(make: Callable[[Planned], Made]) -> Callable[P, Made]:
        @wraps(make)
        def planned_first(*args: P.args, **kwargs: P.kwargs) -> Made:
            try:
                shown.bind(*args, **kwargs)
            except TypeError as error:  # of the function that was called, not of the plan
                raise TypeError(f"{make.__name__}() {error}") from None
            return make(plan(*args, **kwargs))

        signature = inspect.signature(plan)
        returns = inspect.signature(make).return_annotation
        shown = signature.replace(return_annotation=returns)
        planned_first.__signature__ = shown  # type: ignore[attr-defined]  # typed functions have none; help() asks it
        hints = inspect.get_annotations
        returned = hints(make, eval_str=True)["return"]
        planned_first.__annotations__ = {**hints(plan, eval_str=True), "return": returned}
        return planned_first

    return decorate


def with_arguments_too(
    plan: Callable[..., object],
) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """Decorate a function that has ``**arguments``, which are those of a plan but for the first.

    Its signature, and in its docstring the parameter ``**arguments``, then name them.
    """
    _, *more = inspect.signature(plan).parameters.values()

    def decorate(make: Callable[..., Made]) -> Callable[..., Made]:
        @wraps(make)
        def checked(*args: Any, **kwargs: Any) -> Made:
            try:
                shown.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{make.__name__}() {error}") from None
            return make(*args, **kwargs)

        signature = inspect.signature(make, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shown = signature.replace(parameters=[*own, *more])
        checked.__signature__ = shown  # type: ignore[attr-defined]  # as above
        names = ", ".join(parameter.name for parameter in more)
        checked.__doc__ = (make.__doc__ or "").replace("**arguments", f"{names} : optional", 1)
        return checked

    return decorate
