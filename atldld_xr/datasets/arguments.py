"""Functions that take what `plan_dataset` takes: its arguments are spelled there alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

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
