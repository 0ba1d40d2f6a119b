"""Services that differ from Allen's, over a real socket: each quirk, and nothing but it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import requests
import simplejpeg

from atldld_xr.testing import AllenServer, Phantom, Quirks
from atldld_xr.testing.quirks import read_quirks

SMALL = Phantom(id=900000007, count=3, resolution=16.0)
IMAGE = SMALL.record["section_images"][0]
WINDOW = {"left": IMAGE["x"] + 64, "top": IMAGE["y"] + 32, "width": 40, "height": 24}


@pytest.fixture(scope="module")
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def ask(http, server, **params):
    answer = http.get(f"{server.url}/section_image_download/{IMAGE['id']}", params=params)
    assert answer.status_code == 200
    return answer


def size(answer):
    rows, columns, _, _ = simplejpeg.decode_jpeg_header(answer.content)
    return columns, rows


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ("floor", (IMAGE["width"] // 8, IMAGE["height"] // 8)),
        ("ceiling", (-(-IMAGE["width"] // 8), -(-IMAGE["height"] // 8))),
        ("short", (IMAGE["width"] // 8 - 1, IMAGE["height"] // 8 - 1)),
    ],
)
def test_sizes_of_tiers(http, tiers, expected):
    with AllenServer([SMALL], quirks=Quirks(tiers=tiers)) as server:
        assert size(ask(http, server, downsample=3)) == expected
        assert size(ask(http, server)) == (IMAGE["width"], IMAGE["height"])
        assert size(ask(http, server, downsample=2, **WINDOW)) == (40, 24)


def test_windows_ignored(http):
    with AllenServer([SMALL], quirks=Quirks(windows=False)) as server:
        window, whole = ask(http, server, downsample=1, **WINDOW), ask(http, server, downsample=1)
        assert window.content == whole.content
        assert size(whole) == (IMAGE["width"] // 2, IMAGE["height"] // 2)


@pytest.mark.parametrize("status", [301, 303, 307, 308])
def test_redirects_by_other_statuses(http, status):
    with AllenServer([SMALL], quirks=Quirks(redirect_status=status)) as server:
        assert [r.status_code for r in ask(http, server, downsample=3).history] == [status]
        assert server.image_requests == 1


def test_chunks_without_a_length(http):
    with AllenServer([SMALL]) as plain, AllenServer([SMALL], quirks=Quirks(chunked=True)) as server:
        expected, answer = (ask(http, s, downsample=1) for s in (plain, server))
        assert answer.content == expected.content
        assert "Content-Length" not in answer.headers
        assert "Content-Length" in expected.headers
        record = http.get(f"{server.url}/data/SectionDataSet/{SMALL.id}.json")
        assert record.json()["num_rows"] == 1
        assert http.get(f"{server.url}/data/SectionDataSet/{SMALL.id}.json").ok  # kept alive


def test_ipv6(http):
    with AllenServer([SMALL], quirks=Quirks(ipv6=True)) as server:
        assert server.url.startswith("http://[::1]:")
        answer = ask(http, server, downsample=3)
        assert answer.history[0].headers["Location"].startswith("http://[::1]:")


def test_grey_filter_not_honoured(http):
    grey = {"view": "expression", "filter": "colormap", "filterVals": "0,1,0,256,0"}
    kinds = []
    for quirks in (Quirks(), Quirks(grey_filter=False)):
        with AllenServer([SMALL], quirks=quirks) as server:
            kinds.append(simplejpeg.decode_jpeg_header(ask(http, server, **grey).content)[2])
    assert kinds == ["Gray", "YCbCr"]


@pytest.mark.parametrize("sampling", ["444", "422", "420"])
def test_sampling_of_colours(http, sampling):
    with AllenServer([SMALL], quirks=Quirks(sampling=sampling)) as server:
        data = ask(http, server, downsample=2).content
        assert simplejpeg.decode_jpeg_header(data)[3] == sampling


@pytest.mark.parametrize(
    "wrong", [{"tiers": "up"}, {"offsets": "left"}, {"sampling": "411"}, {"redirect_status": 200}]
)
def test_what_no_server_does_is_refused(wrong):
    with pytest.raises(ValueError, match=r"is one of|is no redirect"):
        Quirks(**wrong)


def test_quirks_of_a_command_line():
    given = ["tiers=ceiling", "windows=false", "ipv6=true", "redirect_status=303"]
    expected = Quirks(tiers="ceiling", windows=False, ipv6=True, redirect_status=303)
    assert read_quirks(given) == expected
    assert read_quirks([]) == Quirks()
    for wrong in ("up=1", "windows=no", "windows", "redirect_status=x", "tiers=up"):
        with pytest.raises(ValueError, match=r"."):
            read_quirks([wrong])
    command = [sys.executable, "-m", "atldld_xr.testing", "--quirk", "windows=no"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "error: windows is true or false" in done.stderr


def test_plain_is_what_was_served_before(http):
    with AllenServer([SMALL]) as server:
        pixels = simplejpeg.decode_jpeg(ask(http, server, downsample=2, **WINDOW).content)
        whole = simplejpeg.decode_jpeg(ask(http, server, downsample=2).content)
    np.testing.assert_allclose(pixels.astype(int), whole[8:32, 16:56].astype(int), atol=6)
