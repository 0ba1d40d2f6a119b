"""Settings: typed and bounded wherever they come from, and refused by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.settings import (
    as_bool,
    as_bytes,
    as_float,
    as_int,
    as_path,
    as_rate,
    config,
    setting,
)
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror

GOOD = [
    ("cache.enabled", as_bool, "false", False),
    ("cache.enabled", as_bool, "No", False),
    ("cache.enabled", as_bool, 0, False),
    ("cache.enabled", as_bool, "yes", True),
    ("cache.enabled", as_bool, "1", True),
    ("cache.limit", as_bytes, "10GB", 10**10),
    ("cache.limit", as_bytes, "2 MiB", 2**21),
    ("cache.limit", as_bytes, "1000", 1000),
    ("cache.limit", as_bytes, 1e9, 10**9),
    ("cache.metadata_days", as_float, "0.5", 0.5),
    ("cache.metadata_days", as_float, float("inf"), float("inf")),
    ("cache.directory", as_path, None, None),
    ("cache.directory", as_path, "", None),
    ("cache.directory", as_path, Path("here"), "here"),
    ("http.connections", as_int, "3", 3),
    ("http.connections", as_int, 3.0, 3),
    ("http.retries", as_int, 0, 0),
    ("http.requests_per_second", as_rate, None, None),
    ("http.requests_per_second", as_rate, "", None),
    ("http.requests_per_second", as_rate, "0.5", 0.5),
]
BAD = [
    ("cache.enabled", as_bool, "maybe"),
    ("cache.enabled", as_bool, None),
    ("cache.enabled", as_bool, 2),
    ("cache.limit", as_bytes, "10 apples"),
    ("cache.limit", as_bytes, "GB"),
    ("cache.limit", as_bytes, ""),
    ("cache.limit", as_bytes, "1e400"),
    ("cache.limit", as_bytes, -1),
    ("cache.limit", as_bytes, "-1GB"),
    ("memory.limit", as_bytes, None),
    ("cache.metadata_days", as_float, -1),
    ("cache.metadata_days", as_float, float("nan")),
    ("cache.directory", as_path, 5),
    ("cache.directory", as_path, "a\0b"),
    ("http.connections", as_int, 0),
    ("http.connections", as_int, 2.5),
    ("http.connections", as_int, True),
    ("http.connections", as_int, 10**9),
    ("http.retries", as_int, "abc"),
    ("http.retries", as_int, [1]),
    ("http.read_timeout", as_float, 0),
    ("http.connect_timeout", as_float, float("inf")),
    ("http.longest_wait", as_float, "soon"),
    ("http.least_rate", as_float, -1),
    ("http.requests_per_second", as_rate, 0),
    ("http.requests_per_second", as_rate, "many"),
    ("http.learn_redirects", as_bool, "sometimes"),
    ("http.allow_downgrade", as_bool, 3),
]


@pytest.mark.parametrize(("name", "kind", "value", "expected"), GOOD)
def test_what_settings_take(name, kind, value, expected):
    with config.set({name: value}):
        found = setting(name, kind)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("name", "kind", "value"), BAD)
def test_what_settings_refuse_is_told_with_both_names(name, kind, value):
    with config.set({name: value}), pytest.raises(InvalidArgumentError) as caught:
        setting(name, kind)
    variable = "ATLDLD_XR_" + name.upper().replace(".", "__")
    for part in (
        f"setting {name} ",
        variable,
        repr(value),
        "it takes a" if kind != as_bool else "",
    ):
        assert part in str(caught.value)


def test_a_value_in_the_place_of_a_group_is_told():
    with config.set({"http": 5}), pytest.raises(InvalidArgumentError, match=r"http\.retries"):
        setting("http.retries", as_int)


@pytest.mark.parametrize("value", [0, "many"])
def test_a_mirror_is_not_begun_with_settings_that_cannot_be(tmp_path, value):
    source = PhantomSource()
    with (
        config.set({"http.connections": value}),
        pytest.raises(InvalidArgumentError, match=r"http\.connections"),
    ):
        save_mirror([source.phantoms[0].id], str(tmp_path / "m"), source=source, tiers=[4])
    assert not (tmp_path / "m").exists()


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {f"ATLDLD_XR_{name}": value for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_environment_turns_the_cache_off_and_sizes_it(tmp_path):
    script = (
        "import json; from atldld_xr.sources.cache import default_cache as d\n"
        "from atldld_xr.settings import config\n"
        "off = d() is None\n"
        "with config.set({'cache.enabled': 'yes'}): print(json.dumps([off, d().limit]))"
    )
    directory = str(tmp_path / "cache")
    done = python(script, CACHE__ENABLED="false", CACHE__LIMIT="10GB", CACHE__DIRECTORY=directory)
    assert json.loads(done.stdout) == [True, 10**10], done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP__RETRIES", "abc"), ("HTTP__CONNECTIONS", "0"), ("CACHE__LIMIT", "huge")],
)
def test_the_command_line_refuses_the_environment_by_name(tmp_path, name, value):
    script = "import sys; from atldld_xr.cli import main\nsys.argv[1:] = ['info', '5']\nmain()"
    nowhere = {"API_URL": "http://127.0.0.1:9/api/v2", "CACHE__DIRECTORY": str(tmp_path / "c")}
    done = python(script, **nowhere, **{name: value})
    assert done.returncode == 2, done.stderr
    assert f"ATLDLD_XR_{name}" in done.stderr
    assert "Traceback" not in done.stderr
