"""Settings that are misspelt, where each is from, and the source that is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import atldld_xr
from atldld_xr.configuration import Settings
from atldld_xr.errors import InvalidArgumentError, UnknownSettingWarning
from atldld_xr.messages.repeating import hide_credentials
from atldld_xr.settings import KINDS, as_int, config, setting
from atldld_xr.sync import DatasetDownloader
from atldld_xr.utils import get_image
from commandline import facts, run
from kills import SMALL

DEFAULTS = {"one": 1, "group": {"limit": 5, "long_name": "a"}, "http": {"retries": 6}}


def settings(tmp_path=None, **environment):
    """Return settings of an environment and a folder of files alone."""
    paths = [str(tmp_path)] if tmp_path else []
    variables = {f"T_{name}": value for name, value in environment.items()}
    return Settings("t", defaults=[DEFAULTS], paths=paths, env=variables, env_prefix="T_")


def test_every_setting_has_a_kind_and_a_default_of_it():
    assert set(KINDS) == set(config.names)
    fresh = Settings("t", defaults=config.defaults, paths=[], env={}, env_prefix="T_")
    for name, kind in KINDS.items():
        assert fresh.origin(name) == "default"
        assert kind(fresh.get(name)) == fresh.get(name)


# Names


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("onne", "one"),
        ("group.limitt", "group.limit"),
        ("group_limit", "group.limit"),
        ("limit", "group.limit"),
        ("grp.limit", "group.limit"),
        ("group.limit.x", "group.limit"),
        ("retry", "http.retries"),
        ("long-nme", "group.long_name"),
    ],
)
def test_a_name_that_is_no_setting_is_told_with_the_nearest(name, nearest):
    found = settings()
    before = found.to_dict()
    variable = name.upper().replace(".", "__").replace("-", "_")
    told = nearest.upper().replace(".", "__")
    with pytest.warns(UnknownSettingWarning, match=rf"did you mean {nearest}\?") as caught:
        found.set({name: 3})
    assert found.to_dict() == before
    assert caught[0].filename == __file__
    named = settings(**{variable: "3"})
    with pytest.warns(UnknownSettingWarning, match=rf"T_{variable} .* did you mean T_{told}\?"):
        assert named.get("one") == 1
    assert named.get("one") == 1  # told once
    assert named.to_dict() == before


def test_what_is_near_to_nothing_is_told_how_to_list_them():
    with pytest.warns(UnknownSettingWarning, match="`atldld-xr config` lists them all"):
        settings().set(zzzzz=1)


def test_known_names_are_told_nothing_of_however_they_are_written(tmp_path):
    (tmp_path / "a.yaml").write_text("one: 2\ngroup:\n  long-name: b\nhttp:\n")
    found = settings(tmp_path, GROUP__LIMIT="7", CONFIG="/x", ROOT_CONFIG="/y")
    assert found.to_dict() == {
        "one": 2, "group": {"limit": 7, "long_name": "b"}, "http": {"retries": 6}
    }  # fmt: skip
    for setter in ({"group": {"limit": 8}}, {"group.limit": 8}):
        with found.set(setter):
            assert found.get("group") == {"limit": 8, "long_name": "b"}
    with found.set(group__limit=9, one=3):
        assert (found.get("group.limit"), found.get("one")) == (9, 3)
    assert found.get("group.limit") == 7


def test_a_file_names_its_own_names(tmp_path):
    (tmp_path / "b.yml").write_text("group:\n  limits: 3\n")
    with pytest.warns(UnknownSettingWarning, match=r"group\.limits in the file .*b\.yml is no"):
        settings(tmp_path).get("one")


def test_a_file_that_is_none_is_an_error_with_its_name(tmp_path):
    for text in ("group: [\n", "- 5\n"):
        (tmp_path / "b.yaml").write_text(text)
        with pytest.raises(InvalidArgumentError, match=r"b\.yaml") as caught:
            settings(tmp_path)
        assert "\n" not in str(caught.value)


# Where values are from


def test_where_a_value_is_from(tmp_path):
    (tmp_path / "a.yaml").write_text("one: 2\nhttp: {retries: 1}\n")
    (tmp_path / "b.yaml").write_text("one: 3\n")
    found = settings(tmp_path, HTTP__RETRIES="2")
    assert (found.get("one"), found.origin("one")) == (3, f"file {tmp_path / 'b.yaml'}")
    assert found.origin("http.retries") == "environment variable T_HTTP__RETRIES"
    assert found.origin("group.limit") == "default"
    with found.set({"group": {"limit": 5}}):  # also where the value is the same
        assert found.origin("group.limit") == "config.set"
        with found.set({"group.limit": 6}):
            pass
        assert found.origin("group.limit") == "config.set"
        assert found.origin("group.long_name") == "default"
    assert found.origin("group.limit") == "default"
    found.set({"one": 4})
    assert found.origin("one") == "config.set"
    found.refresh()
    assert (found.get("one"), found.origin("one")) == (3, f"file {tmp_path / 'b.yaml'}")


@pytest.mark.parametrize("variables", [{"GROUP": "5", "GROUP__LIMIT": "7"}, {"GROUP": "5"}])
def test_a_value_in_the_place_of_a_group_gives_way_or_is_told(variables):
    found = settings(**variables)
    assert found.get("group.limit", default=None) == (7 if len(variables) == 2 else None)
    assert found.origin("group.limit").startswith("environment variable T_GROUP")
    with config.set({"http": 5}), pytest.raises(InvalidArgumentError) as caught:
        setting("http.retries", as_int)
    assert "the setting http (config.set) is 5; it is a group of settings" in str(caught.value)


def python(script, **environment):
    environment = {f"ATLDLD_XR_{name}": str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-c", script, *environment],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_warns_in_a_line_shows_all_and_hides_credentials(tmp_path):
    (tmp_path / "mine.yaml").write_text("memory:\n  limit: 1GB\nhttp:\n  connections: none\n")
    script = "import sys; from atldld_xr.cli import main\nsys.argv[1:] = ['config']\nmain()"
    done = python(
        script,
        CONFIG=tmp_path,
        CACHE_DIRECTORY="/x",
        SOURCE="https://me:hush@host/api/v2?sig=hush",
        CACHE__LIMIT="20GB",
    )
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert set(rows) == set(KINDS)
    assert rows["source"] == "https://...@host/api/v2?...  (environment variable ATLDLD_XR_SOURCE)"
    assert rows["cache.limit"] == "20 GB  (environment variable ATLDLD_XR_CACHE__LIMIT)"
    assert rows["memory.limit"] == f"1 GB  (file {tmp_path / 'mine.yaml'})"
    assert rows["http.retries"] == "6  (default)"
    assert "hush" not in done.stdout + done.stderr
    warning, error = done.stderr.splitlines()
    assert warning == (
        "atldld-xr: warning: the environment variable ATLDLD_XR_CACHE_DIRECTORY is no setting, and "
        "changes nothing; did you mean ATLDLD_XR_CACHE__DIRECTORY?"
    )
    assert error.startswith(f"atldld-xr: error: the setting http.connections (file {tmp_path}")
    assert done.returncode == 2


def test_the_command_in_json(tmp_path):
    told = facts("config")
    assert set(told) == set(KINDS)
    assert told["cache.directory"] == {"value": str(tmp_path / "cache"), "from": "config.set"}
    assert told["cache.limit"] == {"value": 10**10, "from": "default"}
    assert told["source"] == {"value": None, "from": "default"}
    with config.set({"source": atldld_xr.MirrorSource(str(tmp_path))}):
        assert facts("config")["source"]["value"] == str(tmp_path)
    with config.set({"cache.directory": None}):
        shown = facts("config")["cache.directory"]
        assert shown == {"value": atldld_xr.open_cache().directory, "from": "config.set"}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:hush@host/a", "https://...@host/a"),
        ("s3://key:hush@bucket/a@b", "s3://...@b"),
        ("me:hush@host", "//...@host"),
        ("https://host/a?sig=hush", "https://host/a?..."),
        ("https://host/api/v2", "https://host/api/v2"),
        ("/data/a@b/c?d", "/data/a@b/c?d"),
    ],
)
def test_what_is_hidden_of_an_address(address, shown):
    assert hide_credentials(address) == shown


# The source


def opening(**source):
    return atldld_xr.open_dataset(SMALL.id, **source)


def an_image(**source):
    return atldld_xr.open_image(910_000_201, **source)


def the_facts(**source):
    return atldld_xr.info(SMALL.id, **source)


def a_preview(**source):
    pytest.importorskip("matplotlib")
    return atldld_xr.preview(SMALL.id, **source)


def the_peers_image(**source):
    return get_image(910_000_201, downsample=3, **source)


def the_peers_downloader(**source):
    return DatasetDownloader(SMALL.id, **source).fetch_metadata()


@pytest.mark.parametrize(
    "action", [opening, an_image, the_facts, a_preview, the_peers_image, the_peers_downloader]
)
def test_functions_heed_the_setting_and_an_argument_wins(server, tmp_path, action, no_cache):
    with config.set({"source": server.url, "api_url": "http://127.0.0.1:9/api/v2"}):
        action()
        assert server.metadata_requests == 1
    with config.set({"source": str(tmp_path / "nowhere")}):
        action(source=server.url)
        with pytest.raises(InvalidArgumentError, match=r"the setting source \(config.set; env"):
            action()


@pytest.mark.parametrize(
    "line",
    [
        "info 900000003",
        "image 910000201 OUT.png --tier 3",
        "preview 900000003 OUT.png",
        "export 900000003 OUT.zarr --resolution 400",
        "mirror 900000003 OUT --tiers 3",
    ],
)
def test_commands_heed_it(server, tmp_path, line):
    words = line.replace("OUT", str(tmp_path / "out")).split()
    with config.set({"source": server.url, "api_url": "http://127.0.0.1:9/api/v2"}):
        run(*words)
        assert server.metadata_requests > 0
    with config.set({"source": "http://127.0.0.1:9/api/v2"}):
        server.clear_log()
        run(*[word.replace("out", "other") for word in words], "--source", server.url)


def test_a_mirror_or_the_phantom_as_the_default_source(server, tmp_path):
    atldld_xr.mirror(SMALL.id, path=tmp_path / "m", tiers=[3], source=server.url)
    with config.set({"source": tmp_path / "m"}):
        assert atldld_xr.open_dataset(SMALL.id).attrs["source"] == str(tmp_path / "m")
        # The built-in data sets are no mirror's: their names stay what they are.
        assert atldld_xr.open_dataset("phantom").attrs["source"] == "phantom"
    with config.set({"source": "phantom"}):
        assert atldld_xr.open_dataset(900_000_001).attrs["source"] == "phantom"


@pytest.mark.parametrize("value", [5, True, ["a"], b"x", "nowhere"])
def test_a_source_that_is_none_is_told_with_the_settings_name(value):
    with (
        config.set({"source": value}),
        pytest.raises(InvalidArgumentError, match=r"the setting source \(config\.set"),
    ):
        atldld_xr.open_dataset(5)


@pytest.mark.parametrize("value", [5, None, "", "ftp://x"])
def test_an_api_url_that_is_none_is_told_with_the_settings_name(value):
    with (
        config.set({"api_url": value}),
        pytest.raises(InvalidArgumentError, match="the setting api_url"),
    ):
        atldld_xr.open_dataset(5)


def test_json_of_what_cannot_be(tmp_path):
    with config.set({"http.retries": "abc"}):
        from click.testing import CliRunner

        from atldld_xr.cli import cli

        done = CliRunner().invoke(cli, ["config", "--json"])
    told = json.loads(done.stdout)["http.retries"]
    assert done.exit_code == 2
    assert told["value"] is None
    assert "the setting http.retries (config.set; environment" in told["error"]
