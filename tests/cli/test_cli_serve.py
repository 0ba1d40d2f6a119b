"""The command line serves until it is told to end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
import requests

import atldld_xr
from commandline import run

pytest.importorskip("uvicorn")


def test_data_sets_are_served_and_what_was_looked_at_is_kept(tmp_path):
    kept = tmp_path / "{id}.ome.zarr"
    line = ["serve", "phantom", "--port", "0", "--resolution", "200", "--expression", "intensity"]
    process = subprocess.Popen(
        [sys.executable, "-m", "atldld_xr", *line, "--volume", "--keep", str(kept)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [process.stdout.readline().strip() for _ in range(6)]
        names = [line.partition(":")[0] for line in lines[::2]]
        assert names == ["900000001", "900000001.expression", "900000001.volume"]
        for name, told, link in zip(names, lines[::2], lines[1::2], strict=True):
            address = told.partition(": ")[2]
            assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/[0-9a-f]+/{name}\.ome\.zarr/", address)
            state = requests.get(link.partition("#!")[2]).json()
            assert state["layers"][0]["source"]["url"] == f"zarr://{address}"
            z = round((state["position"][2] - first_plane(address)) / state_step(state))
            chunk = requests.get(f"{address}0/c/0/{z}/0/0")
            assert (chunk.status_code, len(chunk.content) > 100) == (200, True)
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "atldld-xr: error: interrupted\n")
    told = atldld_xr.status(str(kept).format(id=900000001))
    assert (told.state, sum(told.written.values())) == ("interrupted", 1)


def first_plane(address):
    (levels,) = requests.get(f"{address}zarr.json").json()["attributes"]["ome"]["multiscales"]
    return levels["datasets"][0]["coordinateTransformations"][1]["translation"][1]


def state_step(state):
    return state["layers"][0]["source"]["transform"]["outputDimensions"]["z"][0] * 1e6


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["phantom", "phantom-sagittal", "--keep", "a.zarr"], 2, "{id}"),
        (["12"], 3, "12"),
        (["phantom", "--levels", "99"], 2, "levels"),
        (["phantom", "--host", "256.1.1.1", "--port", "0"], 2, "256.1.1.1"),
    ],
)
def test_what_cannot_be_served_is_told(line, code, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert says in run("serve", *line, "--source", "phantom", code=code).stderr
    assert not (tmp_path / "a.zarr").exists()


def test_without_its_packages_the_extra_is_named(monkeypatch):
    for module in ("atldld_xr.serve.server", "atldld_xr.serve.app"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert 'pip install "atldld-xr[serve]"' in run("serve", "phantom", code=1).stderr
