"""Channels and ranges of fluorescence, by records and by what users give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.allen.fluorescence import MOST, Channels, check_range, parse_channels, range_of
from atldld_xr.allen.metadata import parse_dataset, parse_image
from atldld_xr.allen.products import has_projections
from atldld_xr.allen.windowed import (
    WindowedImage,
    as_read,
    name_of,
    range_in,
    windowed,
    windowed_dataset,
)
from atldld_xr.errors import InvalidArgumentError, MetadataError
from atldld_xr.testing import CORONAL, FLUORESCENT

KEYS = [f"{colour}_{end}" for colour in ("red", "green", "blue") for end in ("lower", "upper")]
OWN = FLUORESCENT.range
CHANNELS = Channels(("background", "EGFP", "blue"), OWN)


def record(values=None, **more):
    equalization = None if values is None else dict(zip(KEYS, values, strict=True))
    return {"id": 1, "equalization": equalization, **more}


def test_bright_field_has_no_channels():
    assert parse_channels(CORONAL.record) is None
    assert not parse_dataset(CORONAL.record).fluorescence
    assert parse_channels(record((None,) * 6)) is None
    assert (
        parse_channels({"equalization": "?", "section_images": [{"bits_per_component": 8}]}) is None
    )


@pytest.mark.parametrize(
    "what",
    [
        {"green_channel": "EGFP"},
        {"equalization": dict.fromkeys(KEYS, 0) | dict.fromkeys(KEYS[1::2], 100)},
        {"section_images": [{"bits_per_component": 16}]},
    ],
)
def test_any_of_three_fields_says_fluorescence(what):
    assert parse_channels(what).names[2] == "blue"


def test_channels_are_named_as_the_record_names_them():
    found = parse_dataset(FLUORESCENT.record).channels
    assert found == Channels(("background", "EGFP", "blue"), OWN)
    same = {"red_channel": "dye", "green_channel": "dye"}
    assert parse_channels(same).names == ("red", "green", "blue")
    odd = {"red_channel": 7, "green_channel": "a\nb" + "c" * 1000}
    assert len(parse_channels(odd).names[1]) < 100
    assert "\n" not in parse_channels(odd).names[1]


def test_a_channel_without_values_is_as_wide_as_can_be():
    assert parse_channels(record((0, 923, 0, 987, None, None))).range == (0, 923, 0, 987, 0, MOST)
    assert parse_channels(record((0, 923, "0", 987.0, 0, 4095))).range == (0, 923, 0, 987, 0, 4095)


@pytest.mark.parametrize("red", [(0, 0), (0, 5000), (-1, 3), (0, None), (0.5, 3), ("a", 3)])
def test_a_record_that_cannot_be_used_is_named_and_a_range_of_ones_own_helps(red):
    channels = parse_channels(record((*red, 0, 1, 0, 1)))
    assert channels.range is None
    assert channels.problem
    with pytest.raises(MetadataError, match="its equalization record cannot be used"):
        range_of(None, channels, "it")
    assert range_of((0, 1, 0, 1, 0, 1), channels, "it") == (0, 1, 0, 1, 0, 1)
    # What is left out would be taken from the record.
    with pytest.raises(MetadataError):
        range_of({"red": (0, 1)}, channels, "it")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(dict.fromkeys(KEYS, json_values)) | json_values,
    json_values,
    json_values,
)
@settings(max_examples=200, deadline=None)
def test_any_record_opens_or_says_what_is_wrong(equalization, name, bits):
    odd = FLUORESCENT.record | {"equalization": equalization, "green_channel": name}
    odd["section_images"] = [
        image | {"bits_per_component": bits, "projection_function": name}
        for image in odd["section_images"]
    ]
    data = parse_dataset(odd)
    if data.channels is not None and data.channels.problem:
        with pytest.raises(MetadataError, match="its equalization record cannot be used"):
            windowed_dataset(data, None)
        return
    for image in windowed_dataset(data, None).images:
        values = range_in(image) or ()
        assert all(type(v) is int and 0 <= v <= MOST for v in values)


@given(st.lists(st.integers(-2, MOST + 2), min_size=6, max_size=6))
def test_a_range_is_six_ascending_pairs_or_refused(values):
    good = all(0 <= low < high <= MOST for low, high in zip(values[::2], values[1::2], strict=True))
    for given_ in (values, tuple(values), np.array(values)):
        if good:
            assert range_of(given_, CHANNELS, "it") == tuple(values)
        else:
            with pytest.raises(InvalidArgumentError, match="range of"):
                check_range(given_)


def test_a_range_by_names_keeps_the_others():
    assert range_of({"EGFP": (5, 50)}, CHANNELS, "it") == (*OWN[:2], 5, 50, *OWN[4:])
    assert range_of({"green": [5, 50]}, CHANNELS, "it") == (*OWN[:2], 5, 50, *OWN[4:])
    bare = Channels(("red", "green", "blue"))
    assert range_of({"red": (1, 2)}, bare, "it") == (1, 2, 0, MOST, 0, MOST)


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ({"GFP": (0, 1)}, "no channel 'GFP'; it has background, EGFP, blue"),
        ({"EGFP": (0, 1), "green": (0, 1)}, "EGFP twice"),
        ({"EGFP": 5}, "lower and a higher"),
        ({}, "names no channel"),
        ((0, 1, 0, 1), "six whole numbers"),
        ("0,1,0,1,0,1", "six whole numbers"),
        ((0, 1.5, 0, 1, 0, 1), "six whole numbers"),
        ((False, True, 0, 1, 0, 1), "six whole numbers"),
    ],
)
def test_what_is_no_range_is_refused(given_, why):
    with pytest.raises(InvalidArgumentError, match=why):
        range_of(given_, CHANNELS, "it")


def test_a_range_of_bright_field_is_refused():
    data = parse_dataset(CORONAL.record)
    assert windowed_dataset(data, None) is data
    with pytest.raises(InvalidArgumentError, match="bright-field"):
        windowed_dataset(data, (0, 1, 0, 1, 0, 1))


def test_an_image_by_a_range_is_another_and_its_masks_are_the_same():
    image = parse_image(FLUORESCENT.record["section_images"][0])
    assert windowed(image, None) is image
    one, other = windowed(image, OWN), windowed(image, (0, 1) * 3)
    assert isinstance(one, WindowedImage)
    assert len({image, one, other}) == 3
    assert one != image
    assert repr(one) != repr(image)
    assert as_read(one, "projection") == as_read(other, "projection") == image
    assert as_read(one, "image") is one
    assert name_of(one, "image") == "range_120_923_60_987_0_4095"
    assert name_of(one, "projection_intensity") == "projection_intensity"
    assert name_of(image, "image") == "image"


def test_projections_are_of_products_and_of_what_names_their_function():
    assert all(has_projections({}, products) for products in ((5,), (1, 31), (8,)))
    assert not has_projections(CORONAL.record, (1,))
    assert has_projections({"section_images": [{"projection_function": "max"}]}, ())
    assert not has_projections({"section_images": 5}, ())
