"""Settings that cannot be: files that are none, and variables that are something else."""

from __future__ import annotations

import pytest

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.settings import as_int, config, setting


@pytest.mark.parametrize("text", ["{a: [", "- 1", '"x"', "[" * 5000, "a: !!python/object:os.x y"])
def test_a_file_of_settings_that_is_none(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InvalidArgumentError, match=f"{path}.* is malformed"):
        config.collect(paths=[str(tmp_path)])  # as it is when the package is imported


@pytest.mark.parametrize("value", [5, "x", [1], "x" * 10**6])
def test_a_value_in_place_of_a_group_of_settings(value):
    with (
        atldld_xr.config.set({"http": value}),
        pytest.raises(
            InvalidArgumentError, match=r"the setting http .* is a group of settings"
        ) as caught,
    ):
        setting("http.retries", as_int)
    assert len(str(caught.value)) < 300
