"""Records as they come: what is wrong with them is named, or recorded against the section."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import pytest

from atldld_xr.errors import DatasetNotFoundError, MetadataError
from atldld_xr.metadata import parse_dataset, parse_image, single_record
from noise import FIRST_IMAGE_ID, record

REAL = Path(__file__).parents[2] / "shared/allen/section_data_set_69289763.json"


@pytest.fixture
def good():
    return record(1, 3, 900, 700, 10.0)


def test_a_good_record(good):
    data = parse_dataset(good)
    assert [image.id for image in data.images] == [100, 101, 102]
    assert data.plane.dim == "coronal"
    assert data.genes == ("Noise1",)
    assert data.excluded == ()
    assert [image.has_expression for image in data.images] == [True, False, True]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alignment3d": None}, "no alignment3d"),
        ({"plane_of_section_id": 6}, "plane of section 6"),
        ({"plane_of_section_id": None}, "plane of section None"),
        ({"section_thickness": 0}, "section_thickness is 0"),
        ({"section_thickness": None}, "section_thickness is None"),
        ({"section_images": []}, "no section image"),
        ({"section_images": None}, "no section image"),
        ({"reference_space_id": None}, "reference_space_id"),
        ({"id": "x"}, "id is 'x'"),
        ({"id": True}, "id is True"),
    ],
)
def test_what_spoils_a_data_set(good, change, words):
    with pytest.raises(MetadataError, match=words):
        parse_dataset(good | change)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("trv_04", math.nan, "trv_04 is nan"),
        ("tvr_11", math.inf, "tvr_11 is inf"),
        ("trv_00", None, "trv_00 is None"),
        ("trv_00", "a", "trv_00 is 'a'"),
    ],
)
def test_what_spoils_the_3d_alignment(good, key, value, words):
    good["alignment3d"][key] = value
    with pytest.raises(MetadataError, match=words):
        parse_dataset(good)


def test_a_singular_3d_matrix(good):
    for row in range(3):
        good["alignment3d"][f"trv_{3 * row:02d}"] = 0.0
    with pytest.raises(MetadataError, match="trv matrix is singular"):
        parse_dataset(good)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"failed": True}, "marked it as failed"),
        ({"alignment2d": None}, "no alignment2d"),
        ({"alignment2d": {}}, "tsv_00 is None"),
        ({"width": 0}, "size is 0 x 700"),
        ({"height": 10**7}, "size is 900 x 10000000"),
        ({"x": -1}, "starts at"),
        ({"resolution": 0}, "resolution is 0"),
        ({"tier_count": 99}, "tier_count is 99"),
        ({"section_number": None}, "section_number"),
        ({"section_number": 120}, "section number 120 is image 101's too"),
        ({"data_set_id": 6}, "belongs to data set 6"),
    ],
)
def test_what_is_recorded_against_a_section(good, change, words):
    good["section_images"][2] |= change
    data = parse_dataset(good)
    assert [image.id for image in data.images] == [100, 101]
    (excluded,) = data.excluded
    assert excluded.id == FIRST_IMAGE_ID + 2
    assert words in excluded.reason


def test_a_singular_2d_matrix_is_recorded(good):
    good["section_images"][0]["alignment2d"]["tvs_00"] = 0.0
    good["section_images"][0]["alignment2d"]["tvs_02"] = 0.0
    assert "tvs matrix is singular" in parse_dataset(good).excluded[0].reason


def test_of_two_with_one_number_the_usable_stays(good):
    good["section_images"][0] |= {"failed": True, "section_number": 120}
    data = parse_dataset(good)
    assert [image.id for image in data.images] == [101, 102]


def test_none_usable_says_why(good):
    for image in good["section_images"]:
        image["failed"] = True
    with pytest.raises(MetadataError, match="100: Allen marked it as failed"):
        parse_dataset(good)


def test_parsing_leaves_the_record_alone(good):
    before = copy.deepcopy(good)
    parse_dataset(good)
    assert good == before


@pytest.mark.parametrize("garbage", [None, 3, "text", [], [1]])
def test_garbage(garbage):
    with pytest.raises(MetadataError):
        parse_dataset(garbage)
    with pytest.raises(MetadataError):
        parse_image(garbage)


def test_an_unknown_id_is_an_empty_list():
    with pytest.raises(DatasetNotFoundError, match="there is no data set 7"):
        single_record([], "data set 7")
    for garbage in (None, "no such thing", [3]):
        with pytest.raises(MetadataError):
            single_record(garbage, "data set 7")


@pytest.mark.skipif(not REAL.exists(), reason="Allen's recorded data are not here")
def test_a_real_record():
    data = parse_dataset(json.loads(REAL.read_text())["msg"][0])
    assert (data.id, data.plane.dim, data.reference_space_id) == (69289763, "sagittal", 10)
    assert len(data.images) == 18
    assert data.excluded == ()
    (image,) = (image for image in data.images if image.id == 69177654)
    assert (image.width, image.height, image.section_number) == (11921, 7553, 70)
