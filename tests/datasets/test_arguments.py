"""Arguments are spelled in one place, and shown to people and type checkers in all."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest

import atldld_xr
from atldld_xr.datasets.engine import AtldldBackendEntrypoint
from atldld_xr.datasets.plan_dataset import DatasetPlan, plan_dataset

FUNCTIONS = {"open_dataset": "xr.Dataset", "info": "DatasetInfo"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_a_plan_take_what_it_takes(name):
    function = getattr(atldld_xr, name)
    shown = inspect.signature(function)
    assert shown.parameters == inspect.signature(plan_dataset).parameters
    assert shown.return_annotation == FUNCTIONS[name]
    hints = get_type_hints(function)
    assert hints.pop("return") is not DatasetPlan
    assert hints == {k: v for k, v in get_type_hints(plan_dataset).items() if k != "return"}
    assert function.__doc__ != plan_dataset.__doc__
    for wrong in ((), ("phantom", 25), ("phantom",)):
        more = {"resolutoin": 25} if wrong == ("phantom",) else {}
        with pytest.raises(TypeError, match=rf"^{name}\(\) .*(dataset|positional|resolutoin)"):
            function(*wrong, **more)


def test_the_engine_takes_them_too_and_leaves_chunks_to_xarray():
    names = {*inspect.signature(plan_dataset).parameters} - {"dataset", "chunks"}
    own = {"filename_or_obj", "drop_variables"}
    assert {*AtldldBackendEntrypoint.open_dataset_parameters} == names | own
