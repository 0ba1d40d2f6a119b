"""A service that is as expected, and each way in which one may differ: told, and lived with."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import atldld_xr
from answering import Server, cut, drip, running, stall
from atldld_xr.cli import cli
from atldld_xr.doctor import ask, checks
from atldld_xr.doctor.findings import ASSUMPTIONS
from atldld_xr.doctor.run import examine
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.sources.connections import USER_AGENT
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.testing import AllenServer, Faults, Phantom, Quirks
from commandline import SMALL

NOT_ASKED = {"slide offsets", "range", "TLS"}  # of a small phantom on loopback


class Slides(Phantom):
    """Sections that start within pixels of their tiers."""

    def _image_record(self, index):
        record = super()._image_record(index)
        moved = {"x": record["x"] + 7, "y": record["y"] + 13}
        return (
            record | moved | {f"image_{n}": record[f"image_{n}"] + 16 for n in ("width", "height")}
        )


SLIDES = Slides(id=900000009, count=4, resolution=32.0)
TILED = Phantom(id=900000008, count=2, resolution=3.0)  # its finest tier comes in windows

VARIATIONS = {
    "plain": ({}, set()),
    "rounded up": ({"quirks": Quirks(tiers="ceiling")}, {"tier sizes"}),
    "a pixel less": ({"quirks": Quirks(tiers="short")}, {"tier sizes"}),
    "nearest offsets": ({"quirks": Quirks(offsets="nearest")}, {"slide offsets"}),
    "exact offsets": ({"quirks": Quirks(offsets="exact")}, {"slide offsets"}),
    "windows ignored": ({"quirks": Quirks(windows=False)}, {"window"}),
    "no redirect": ({"redirect": False}, {"redirect"}),
    "303": ({"quirks": Quirks(redirect_status=303)}, {"redirect"}),
    "307": ({"quirks": Quirks(redirect_status=307)}, {"redirect"}),
    "chunked": ({"quirks": Quirks(chunked=True)}, {"length"}),
    "IPv6": ({"quirks": Quirks(ipv6=True)}, set()),
    "slow": ({"latency": 0.55}, {"speed"}),
    "coloured masks": ({"quirks": Quirks(grey_filter=False)}, {"grey mask"}),
    "420": ({"quirks": Quirks(sampling="420")}, set()),
}
EVERY = pytest.mark.parametrize("variation", VARIATIONS)


def by_outcome(report, outcome):
    return {f.name for f in report.findings if f.outcome == outcome}


def doctor(*args):
    return CliRunner().invoke(cli, ["doctor", *map(str, args)])


@EVERY
def test_each_way_to_differ_is_named_and_no_other(variation):
    arguments, expected = VARIATIONS[variation]
    with AllenServer([SLIDES], **arguments) as server:
        report = examine(server.url)
        asked = len(server.log)
        most = server.most_at_once
    assert by_outcome(report, "failed") == set(), report.rows
    assert by_outcome(report, "differs") == expected, report.rows
    assert all(f.then for f in report.findings if f.outcome == "differs")
    assert report.good is not bool(expected)
    assert [f.name for f in report.findings if f.name in ASSUMPTIONS] == [
        f.name for f in report.findings
    ]
    assert (report.requests, most) == (asked, 1)
    assert asked - sum(r.status in (302, 303, 307) for r in server.log) <= 22
    assert report.nbytes < 3_000_000
    if variation == "IPv6":
        assert "IPv6 ::1" in report.findings[0].found


@EVERY
def test_each_way_to_differ_opens_and_exports(variation, tmp_path, caplog):
    arguments, _ = VARIATIONS[variation]
    plain = atldld_xr.open_dataset(
        SLIDES.id, source=PhantomSource((SLIDES,)), resolution=100, expression="intensity"
    )
    with (
        AllenServer([SLIDES], **arguments) as server,
        atldld_xr.config.set({"http.retries": 0}),
    ):
        ds = atldld_xr.open_dataset(
            SLIDES.id, source=server.url, resolution=100, expression="intensity"
        )
        ds.atldld.to_zarr(tmp_path / "a.zarr", progress=False)
        images = len(ds.section_image_id)
        assert server.image_requests == 2 * images
    written = xr.open_zarr(tmp_path / "a.zarr")
    off = np.abs(written.image.values.astype(int) - plain.image.values).mean()
    assert off < 0.5
    if variation != "coloured masks":
        off = np.abs(written.expression.values.astype(int) - plain.expression.values).mean()
        assert off < 0.5


@EVERY
def test_each_way_to_differ_gives_windows(variation):
    arguments, _ = VARIATIONS[variation]
    window = {"y": slice(120, 190), "x": slice(200, 280), "coronal": 0}
    options = {"resolution": 25, "tier": 0, "chunks": None}
    plain = atldld_xr.open_dataset(TILED.id, source=PhantomSource((TILED,)), **options)
    with (
        AllenServer([TILED], **arguments) as server,
        atldld_xr.config.set({"http.retries": 0}),
    ):
        ds = atldld_xr.open_dataset(TILED.id, source=server.url, **options)
        off = np.abs(ds.image[window].values.astype(int) - plain.image[window].values).mean()
    assert off < 1.5


def test_a_mirror_that_is_served_is_asked_about_its_own_data_set(tmp_path):
    save_mirror(
        [SMALL.id],
        tmp_path,
        source=PhantomSource((SMALL,)),
        tiers=range(4),
        views=("image", "expression", "intensity"),
    )
    with AllenServer(mirror=tmp_path) as server:
        report = examine(server.url)
    assert report.dataset == SMALL.id
    assert by_outcome(report, "failed") | by_outcome(report, "differs") == set(), report.rows


def test_the_command_prints_a_line_each_and_returns_how_it_is():
    with AllenServer([SMALL, SLIDES]) as server:
        done = doctor("--api-url", server.url)
        assert done.exit_code == 0, done.output
        lines = done.stdout.splitlines()
        assert [line[:18].strip() for line in lines] == [
            "service",
            "answer",
            "record",
            *(name for name in ASSUMPTIONS if name not in ("answer", "record", "TLS", "speed")),
            "TLS",
            "speed",
        ]
        assert f"section data set {SMALL.id}" in lines[0]
        with atldld_xr.config.set({"api_url": server.url}):
            done = doctor("--dataset", SLIDES.id, "--json")
        facts = json.loads(done.stdout)
        assert facts["dataset"] == SLIDES.id
        assert facts["good"] is facts["reached"] is True
        assert facts["version"] == atldld_xr.__version__
        assert {f["outcome"] for f in facts["findings"]} == {"as expected", "not asked"}
        assert all(f["expected"] for f in facts["findings"])
    with AllenServer([SMALL], redirect=False) as server:
        done = doctor("--api-url", server.url)
        assert done.exit_code == 1
        assert re.search(r"^redirect +differs: none", done.stdout, re.MULTILINE)
        assert done.stderr == ""


def test_a_service_that_does_not_answer_has_a_code_of_its_own():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/v2"
        done = doctor("--api-url", url)
        assert done.exit_code == 5
        assert re.search(r"^answer +failed: the connection failed: Connection refused$",
                         done.stdout, re.MULTILINE)  # fmt: skip
        facts = json.loads(doctor("--api-url", url, "--json").stdout)
    assert (facts["reached"], facts["good"], len(facts["findings"])) == (False, False, 1)


@pytest.mark.parametrize(
    "body", [b"<html>maintenance</html>", b"", b'{"success": false, "msg": "no"}']
)
def test_something_else_than_the_service_is_told_and_not_asked_more(body):
    with running(Server()) as server:
        server.answers = [lambda handler: handler.reply(200, body)]
        report = examine(f"{server.url}/api/v2")
        assert len(server.requests) == 1
    assert by_outcome(report, "failed") == {"record"}
    assert report.reached
    assert not report.good


@pytest.mark.parametrize(
    ("answer", "said"),
    [(drip, "too slow"), (stall, "no answer in time"), (cut, "failed: IncompleteRead")],
)
def test_answers_that_do_not_come_are_not_waited_for(answer, said):
    with (
        running(Server()) as server,
        atldld_xr.config.set({"http.read_timeout": 0.3}),
    ):
        server.answers = [answer]
        report = examine(f"{server.url}/api/v2")
    assert said in report.findings[0].found
    assert not report.reached


def test_all_together_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(ask, "_LONGEST", 3.0)
    with (
        AllenServer([SMALL], faults=Faults(rate=1, kinds=("slow",), delay=5)) as server,
        atldld_xr.config.set({"http.read_timeout": 60}),
    ):
        begun = time.monotonic()
        report = examine(server.url)
    assert time.monotonic() - begun < 8
    assert "tier sizes" in by_outcome(report, "failed")
    (late,) = (finding for finding in report.findings if finding.name == "wrong tier")
    assert late.found == "it is not asked any more, as all has taken 3 s"


def test_requests_are_as_polite_as_others():
    with running(Server()) as server, atldld_xr.config.set({"http.requests_per_second": 2}):
        server.answers = [lambda handler: handler.reply(500, b"no")]
        for _ in range(3):
            examine(f"{server.url}/api/v2")
    assert len(server.times) == 6
    assert server.times[-1] - server.times[0] >= 1.9
    assert {headers["User-Agent"] for _, headers in server.requests} == {f"{USER_AGENT} (doctor)"}


@pytest.mark.parametrize("images", [5, "5", {"a": 1}, [5], None])
def test_a_record_that_is_none_is_told(images):
    record = dict(SMALL.record, section_images=images)
    body = json.dumps({"success": True, "msg": [record], "id": 0, "total_rows": 1, "num_rows": 1})
    with running(Server()) as server:
        server.answers = [lambda handler: handler.reply(200, body.encode())]
        report = examine(f"{server.url}/api/v2")
    assert by_outcome(report, "failed") == {"record"}


def test_what_fails_is_told_and_the_rest_is_asked():
    faults = Faults(rate=1, kinds=("corrupt",))
    with AllenServer([SMALL], faults=faults) as server:
        report = examine(server.url)
    assert {"tier sizes", "window", "colours", "mask"} <= by_outcome(report, "failed")
    assert {"pages", "conversion", "unknown image"} <= by_outcome(report, "as expected")
    assert all(len(str(finding)) <= 500 for finding in report.findings)


def test_what_passes_is_tried_once_more():
    with AllenServer([SMALL], faults=Faults(first=1)) as server:
        report = examine(server.url)
    assert report.good


@pytest.mark.parametrize(
    "arguments",
    [["--api-url", "ftp://a/b"], ["--dataset", "brain"], ["--api-url", "http://u:p@h/api/v2"]],
)
def test_what_cannot_be_asked_is_refused(arguments):
    done = doctor(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    with pytest.raises(InvalidArgumentError):
        examine("nowhere")


def test_every_assumption_is_in_the_table():
    page = Path(__file__).parents[2] / "docs" / "service.md"
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|", page.read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == list(ASSUMPTIONS)


def test_a_large_window_is_compared_with_the_tile_in_it():
    with AllenServer([TILED]) as server:
        report = examine(server.url, dataset=TILED.id)
    (finding,) = (f for f in report.findings if f.name == "large window")
    assert finding.outcome == "as expected"
    assert "to the bit" in finding.found


def test_a_large_window_that_differs_is_named():
    tile = np.full((512, 512, 3), 7, np.uint8)
    large = np.full((2048, 2048, 3), 7, np.uint8)
    assert checks.large_window(large, tile, 2048).outcome == "as expected"
    large[3, 4] = 9
    for other in (large, large[:600], None):
        finding = checks.large_window(other, tile, 2048)
        assert finding.outcome == "differs"
        assert finding.then
