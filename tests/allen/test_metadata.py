"""Records as they come: what is wrong with them is named, or recorded against the section."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path

import pytest

from atldld_xr.allen.metadata import parse_dataset, parse_image, single_record
from atldld_xr.errors import DatasetNotFoundError, MetadataError
from atldld_xr.phantom.phantom import PHANTOMS
from noise import FIRST_IMAGE_ID, record

REAL = Path(__file__).parents[3] / "shared/allen/section_data_set_69289763.json"


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
        ({"plane_of_section_id": None}, "is not registered: .* no plane of section"),
        ({"plane_of_section_id": True}, "plane of section True"),
        ({"plane_of_section_id": [1]}, r"plane of section \[1\]"),
        ({"section_thickness": 0}, "section_thickness is 0"),
        ({"section_thickness": None}, "its record has no section_thickness"),
        ({"section_thickness": 10**400}, "section_thickness is 1000"),
        ({"section_thickness": 1e308}, "section_thickness is 1e"),
        ({"section_images": []}, "no section image"),
        ({"section_images": None}, "no section image"),
        ({"section_images": 5}, "section data set 5: section_images is 5, not a list"),
        ({"section_images": [3]}, "no section image.*-1: expected a section image's record"),
        ({"genes": 5}, "section data set 5: genes is 5, not a list"),
        ({"genes": "Adora2a"}, "genes is 'Adora2a'"),
        ({"reference_space_id": None}, "is not registered: .* no reference space"),
        ({"reference_space_id": 0}, "section data set 5: reference_space_id is 0"),
        ({"id": "x"}, "id is 'x'"),
        ({"id": True}, "id is True"),
        ({"id": 0}, "id is 0"),
        ({"id": 2**63}, "id is 9223372036854775808"),
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
        ("trv_00", None, "its record has no trv_00"),
        ("trv_00", "a", "trv_00 is 'a'"),
        ("trv_00", 1e200, "trv_00 is 1e"),
        ("trv_00", 10**400, "trv_00 is 1000"),
        ("trv_02", 1e3, "trv matrix stretches"),
        ("tvr_02", 11.0, "tvr matrix stretches"),
        ("tvr_09", 1000.0, "tvr and trv matrices are no inverses"),
        ("trv_09", 1e12, "tvr and trv matrices are no inverses"),
    ],
)
def test_what_spoils_the_3d_alignment(good, key, value, words):
    good["alignment3d"][key] = value
    with pytest.raises(MetadataError, match=words):
        parse_dataset(good)


SCHEMA = REAL.with_name("rma_schema.json")


@pytest.mark.skipif(not SCHEMA.exists(), reason="Allen's recorded data are not here")
def test_fields_that_may_be_null_are_said_to_be_missing(good):
    """Each that the service's own schema lets be null, made null: what is wrong is told plainly."""
    models = json.loads(SCHEMA.read_text())
    section = good["section_images"][1]
    places = {
        "SectionDataSet": good,
        "SectionImage": section,
        "Alignment2d": section["alignment2d"],
        "Alignment3d": good["alignment3d"],
    }
    told = []
    for model, place in places.items():
        fields = models[model]["fields"].items()
        for field in [name for name, kind in fields if kind.endswith("?") and name in place]:
            was, place[field] = place[field], None
            try:
                told += [excluded.reason for excluded in parse_dataset(good).excluded]
            except MetadataError as error:
                told.append(str(error))
            place[field] = was
    assert len(told) > 40
    for reason in told:
        assert "None" not in reason
        assert re.search("has no |names no ", reason)


def test_a_3d_alignment_in_other_units(good):
    for key in ("trv", "tvr"):  # shrinks what it should keep, consistently
        factor = 0.05 if key == "tvr" else 20.0
        good["alignment3d"] |= {
            f"{key}_{n:02d}": good["alignment3d"][f"{key}_{n:02d}"] * factor for n in range(9)
        }
    with pytest.raises(MetadataError, match="tvr matrix stretches by more than a factor of 10"):
        parse_dataset(good)


def test_rounded_directions_need_not_agree_to_the_bit(good):
    good["alignment3d"]["tvr_09"] += 90
    good["section_images"][0]["alignment2d"]["tvs_04"] += 15
    assert parse_dataset(good).excluded == ()


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
        ({"alignment2d": {}}, "its record has no tsv_00"),
        ({"width": 0}, "width is 0"),
        ({"height": 10**7}, "height is 10000000"),
        ({"width": 10**400}, "width is 1000"),
        ({"width": 899.5}, "width is 899.5, not a whole number"),
        ({"x": -1}, "x is -1"),
        ({"resolution": 0}, "resolution is 0"),
        ({"tier_count": 99}, "tier_count is 99"),
        ({"section_number": None}, "section_number"),
        ({"section_number": 10**30}, "section_number is 1000"),
        ({"section_number": -(10**6) - 1}, "section_number is -1000001"),
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tvs_00": 1e200}, "tvs_00 is 1e"),
        ({"tvs_00": 1e9, "tvs_03": 1e9}, "tvs matrix is off the resolution of 10 um"),
        ({"tsv_00": 101.0}, "tsv matrix is off the resolution of 10 um"),
        ({"tsv_00": 0.9, "tsv_02": 0.0}, "tsv matrix is off the resolution of 10 um"),
        ({"tsv_04": 1500.0}, "tsv and tvs matrices are no inverses, by more than 20 px"),
        ({"tvs_00": 0.105}, "tsv and tvs matrices are no inverses"),
    ],
)
def test_what_is_recorded_against_a_2d_alignment(good, change, words):
    good["section_images"][2]["alignment2d"] |= change
    (excluded,) = parse_dataset(good).excluded
    assert excluded.id == FIRST_IMAGE_ID + 2
    assert words in excluded.reason


@pytest.mark.parametrize("garbage", [None, 3, "text", [1]])
def test_an_entry_that_is_no_record_is_recorded(good, garbage):
    good["section_images"].append(garbage)
    data = parse_dataset(good)
    assert len(data.images) == 3
    assert [(e.id, e.section_number) for e in data.excluded] == [(-1, None)]
    assert f"got {type(garbage).__name__}" in data.excluded[0].reason


@pytest.mark.parametrize("image_id", [0, 2**63, 10**30, True, None, "x", "102.5"])
def test_an_absurd_image_id_is_recorded(good, image_id):
    good["section_images"][2]["id"] = image_id
    (excluded,) = parse_dataset(good).excluded
    assert (excluded.id, excluded.section_number) == (-1, 160)
    assert "id is" in excluded.reason or (image_id is None and "has no id" in excluded.reason)


def test_large_ids_keep_their_digits(good):
    good["section_images"][2]["id"] = 2**53 + 1
    assert parse_dataset(good).images[2].id == 2**53 + 1


def test_a_failed_data_set_is_registered_all_the_same(good):
    assert not parse_dataset(good).failed
    data = parse_dataset(good | {"failed": True})
    assert data.failed
    assert len(data.images) == 3


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


@pytest.mark.parametrize("phantom", PHANTOMS.values(), ids=lambda phantom: phantom.plane)
def test_the_phantoms(phantom):
    data = parse_dataset(phantom.record)
    assert len(data.images) == phantom.count - 1
    assert [e.reason for e in data.excluded] == ["Allen marked it as failed"]


@pytest.mark.parametrize("plane", [1, 2])
def test_noise(plane):
    assert parse_dataset(record(plane, 5, 901, 703, 10.0)).excluded == ()


@pytest.mark.skipif(not REAL.exists(), reason="Allen's recorded data are not here")
def test_a_real_record():
    data = parse_dataset(json.loads(REAL.read_text())["msg"][0])
    assert (data.id, data.plane.dim, data.reference_space_id) == (69289763, "sagittal", 10)
    assert len(data.images) == 18
    assert data.excluded == ()
    (image,) = (image for image in data.images if image.id == 69177654)
    assert (image.width, image.height, image.section_number) == (11921, 7553, 70)
