"""What the doctor makes of what it sees: pictures that are shifted, and odd answers."""

from __future__ import annotations

import numpy as np
import pytest

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.doctor import checks
from atldld_xr.doctor.ask import Exchange, Hop
from atldld_xr.doctor.pictures import difference, find_shift
from atldld_xr.testing import CORONAL

IMAGE = parse_dataset(CORONAL.record).images[0]
NOISE = np.random.default_rng(0).integers(0, 255, (80, 90, 3)).astype(np.uint8)
SERVICE = "http://api.example.org/cgi-bin/imageservice?path=/a.aff&left={}&zoom=3"


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (-2, 1), (2, 2)])
def test_shifts_are_found(x, y):
    one, other = NOISE[10:60, 10:60], NOISE[10 - y : 60 - y, 10 - x : 60 - x]
    shift = find_shift(one, other)
    assert (shift.x, shift.y, shift.off) == (x, y, 0)
    assert (difference(one, other) == 0) is ((x, y) == (0, 0))


def test_glass_is_not_shifted():
    glass = np.full((50, 50, 3), 240, np.uint8)
    assert find_shift(glass, glass)[:2] == (0, 0)


def test_windows():
    good = NOISE[16:48, 32:64]
    assert checks.window(NOISE, good, 32, 16, 32).outcome == "as expected"
    moved = checks.window(NOISE, NOISE[17:49, 32:64], 32, 16, 32)
    assert "0, -1 px from where they should be" in moved.found
    assert "7.0 levels" in checks.window(NOISE // 2, NOISE[16:48, 32:64] // 2 + 7, 32, 16, 32).found
    assert "ignored" in checks.window(NOISE, NOISE, 32, 16, 32).found
    assert "refused" in checks.window(NOISE, NOISE[:20, :20], 32, 16, 32).then
    assert "cut or padded" in checks.window(NOISE, NOISE[:33, :32], 32, 16, 32).then


def test_sizes():
    width, height = IMAGE.width, IMAGE.height
    floor = checks.tier_sizes(IMAGE, {2: (width // 4, height // 4)})
    assert floor.outcome == "as expected"
    up = checks.tier_sizes(IMAGE, {2: (width // 4 + 1, height // 4 + 1)})
    assert "rounded up" in up.found
    assert "rounded otherwise" in checks.tier_sizes(IMAGE, {2: (width // 4 - 1, height // 4)}).found
    assert "refused" in checks.tier_sizes(IMAGE, {2: (width // 2, height // 2)}).then


@pytest.mark.parametrize(
    ("first", "second", "outcome", "found"),
    [
        (SERVICE.format(1), SERVICE.format(2), "as expected", "with other numbers"),
        (SERVICE.format(1), SERVICE.format(2) + "&token=5", "differs", "token differ too"),
        (SERVICE.format(1), SERVICE.format(2).replace("api", "b"), "differs", "another place"),
    ],
)
def test_redirects_of_windows(first, second, outcome, found):
    made = checks.redirect_target((Hop(302, first),), (Hop(302, second),))
    assert made.outcome == outcome
    assert found in made.found
    assert checks.redirect_target((), ()).outcome == "not asked"


def test_a_step_down_from_https_is_told():
    assert "led on to http" in checks.tls("https://a/api/v2", [Hop(302, "http://a/b")]).found
    assert "led on" not in checks.tls("https://a/api/v2", [Hop(302, "https://a/b")]).found


@pytest.mark.parametrize(
    ("headers", "body", "outcome"),
    [
        ({"content-length": "3"}, b"abc", "as expected"),
        ({"content-length": "4"}, b"abc", "differs"),
        ({"content-length": "2", "content-encoding": "gzip"}, b"abc", "as expected"),
        ({}, b"abc", "differs"),
    ],
)
def test_lengths(headers, body, outcome):
    assert checks.length(Exchange(200, headers, body, (), 0.0)).outcome == outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome", "then"),
    [
        (404, b"", "as expected", ""),
        (200, b"<html>", "differs", "tried again"),
        (200, b"\xff\xd8\xff", "differs", "whatever comes"),
        (500, b"", "differs", "tried again"),
        (403, b"", "differs", "a failure of that section"),
    ],
)
def test_unknown_images(status, body, outcome, then):
    made = checks.unknown_image(Exchange(status, {}, body, (), 0.0))
    assert made.outcome == outcome
    assert then in made.then


def test_pages():
    def page(*ids, total=5):
        return {"msg": [{"id": n} for n in ids], "total_rows": total}

    assert checks.pages([page(1, 2), page(3, 4)], 2, 5).outcome == "as expected"
    for wrong in (
        [page(1, 2), page(2, 3)],
        [page(2, 1), page(3, 4)],
        [page(1, 2, 3), page(4, 5)],
        [page(1, 2, total=2), page(3, 4)],
    ):
        assert checks.pages(wrong, 2, 5).outcome == "differs"
    assert checks.large_page(page(1, 2), 5).outcome == "differs"


def test_odd_answers():
    assert checks.unknown_data_set(404, {}).outcome == "differs"
    assert checks.unknown_data_set(200, {"success": True, "msg": [1]}).outcome == "differs"
    for odd in ({}, {"x": None, "y": 2, "z": 3}, {"x": 1}, [1, 2, 3], {"x": "1", "y": 2, "z": 3}):
        said = checks.conversion({"image_to_reference": odd}, (1, 2, 3))
        assert (said.outcome, said.then) == ("differs", "it is not used")
    assert checks.conversion({}, (1, 2, 3)).outcome == "differs"
    there = {"image_to_reference": {"x": 1, "y": 2, "z": 3}}
    assert checks.conversion(there, (1, 2, 3)).outcome == "as expected"
    assert checks.conversion(there, (1, 2, 4)).found == "1 um off"
    assert checks.colours("CMYK", "444").outcome == "differs"
    assert checks.wrong_tier(200, (5, 4), 9).outcome == "differs"
    assert checks.mask(NOISE, NOISE).found == "the image itself came"
    assert checks.mask(NOISE, NOISE[:40]).outcome == "differs"
    assert checks.channel_range(NOISE, NOISE).outcome == "differs"
    assert checks.channel_range(NOISE, NOISE // 2).outcome == "as expected"
