"""Files of anchors: what is read of them, and that others are refused in plain words."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from atldld_xr.errors import RegistrationError
from atldld_xr.registration.matching import match_slices
from atldld_xr.registration.series import parse_series
from quicknii import DATA, as_json, as_xml, series_of

IMAGES = {image.id: image for image in DATA.images}
SERIES = series_of(DATA)


def changed(**more):
    """Return a file of one slice with other values."""
    return as_json({"slices": [SERIES["slices"][0] | more]})


def test_json_and_xml_say_the_same():
    slices = parse_series(as_json(SERIES))
    assert len(slices) == len(DATA.images) == len(match_slices(slices, IMAGES))
    assert parse_series(b"\xef\xbb\xbf" + as_json(SERIES)) == slices
    assert parse_series(as_xml(SERIES)) == parse_series(as_xml(SERIES, bare=True)) == slices


def test_what_is_not_anchored_yet_is_left_out():
    some = json.loads(as_json(SERIES))
    del some["slices"][0]["anchoring"]
    some["slices"][1]["anchoring"] = []
    slices = parse_series(as_json(some))
    assert [s.anchors is None for s in slices[:3]] == [True, True, False]
    assert len(match_slices(slices, IMAGES)) == len(slices) - 2


def test_markers_are_read():
    (one,) = parse_series(changed(markers=[[1, 2, 3.5, 4]]))
    assert one.markers == ((1, 2, 3.5, 4),)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no JSON"),
        (b"[1, 2]", "no list of slices"),
        (b'{"slices": {}}', "no list of slices"),
        (b'{"slices": [3]}', "a slice of it is 3"),
        (b'{"slices": [{"filename": 3}]}', "the filename 3"),
        (changed(filename="x" * 5000), "has the filename"),
        (changed(nr="a"), "nr is 'a'"),
        (changed(width="100"), "width is '100'"),
        (changed(height=-3), "pixels"),
        (changed(height=0.1), "pixels"),
        (changed(anchoring=[1, 2]), "not nine numbers"),
        (changed(anchoring={"ox": 1}), "not nine numbers"),
        (changed(markers=3), "markers are 3"),
        (changed(markers=[[1, 2, 3]]), "not four numbers"),
        (changed(markers=[[1, 2, 3, 1e9]]), "not a number of less than"),
        (as_json(SERIES | {"target-resolution": [512, 1024, 512]}), "not that of the Allen atlas"),
        (b"<series><slice", "no XML"),
        (b"<series></series>", "no slices"),
        (b"<series><slice filename='a' nr='x'/></series>", "nr is 'x'"),
        (b"<series><slice filename='a' anchoring='ox=1&amp;oy=2'/></series>", "not a number"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><series/>", "declares a document type"),
        (b"<" * 9_000_000, "bytes of XML"),
        (b"<?xml version='1.0' encoding='none'?><series/>", "unknown encoding: none"),
        (b"<?xml version='1.0' encoding='utf-32'?><series/>", "multi-byte encodings"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_other_files_are_refused_in_plain_words(content, told):
    with pytest.raises(RegistrationError, match=told) as caught:
        parse_series(content)
    assert len(str(caught.value)) < 1000


def test_xml_takes_no_more_memory_than_a_few_times_its_bytes():
    content = b"<series><slice filename='a'/>" + b"<b>" * 2_000_000
    tracemalloc.start()
    with pytest.raises(RegistrationError, match="nested"):
        parse_series(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(content)


@pytest.mark.parametrize(
    ("filename", "number", "found"),
    [
        ("{id}.png", 1, True),
        ("data/{id}.jpg", 1, True),
        ("C:\\data\\{id}_s001.jpg", 1, True),
        ("00{id}.png", 1, True),
        ("{id}/thumbnail.png", 1, True),
        ("a.png", "id", True),
        ("", "id", True),
        ("1{id}.png", 1, False),
        ("a_s001.png", 1, False),
    ],
)
def test_slices_are_known_by_the_images_id(filename, number, found):
    image = DATA.images[2]
    number = image.id if number == "id" else number
    more = {"filename": filename.format(id=image.id), "nr": number}
    slices = parse_series(as_json({"slices": [SERIES["slices"][2] | more]}))
    assert set(match_slices(slices, IMAGES)) == ({image.id} if found else set())


def test_slices_that_cannot_be_told_apart_are_refused():
    first, second = (dict(s) for s in SERIES["slices"][:2])
    ids = [image.id for image in DATA.images]
    first["filename"] = f"{ids[0]}_{ids[1]}.png"
    with pytest.raises(RegistrationError, match=f"ids of section images {ids[0]} and {ids[1]}"):
        match_slices(parse_series(as_json({"slices": [first]})), IMAGES)
    first["filename"] = second["filename"]
    with pytest.raises(RegistrationError, match=f"image {ids[1]} is there twice, at two places"):
        match_slices(parse_series(as_json({"slices": [first, second]})), IMAGES)
    twice = parse_series(as_json({"slices": [second, second]}))
    assert list(match_slices(twice, IMAGES)) == [ids[1]]


def test_a_picture_of_another_shape_is_refused():
    image = DATA.images[0]
    for tier in range(8):  # of any tier it is the image's, with sides cut or rounded
        size = {"width": max(image.width >> tier, 1), "height": -(-image.height >> tier)}
        assert match_slices(parse_series(changed(**size)), IMAGES)
    with pytest.raises(RegistrationError, match="anchors of a part of it"):
        match_slices(parse_series(changed(width=600, height=500)), IMAGES)
    slices = parse_series(changed(width=None, height=None))
    assert match_slices(slices, IMAGES)
