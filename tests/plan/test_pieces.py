"""Pieces: every tile that is needed comes once, in few requests, and none that is far from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.plan.pieces import bundles_of, pieces_of

SIDE = 512


@pytest.fixture(scope="module")
def section():
    first = plan_dataset("phantom", resolution=50, tier=0).plans["image"].sections[0]
    image = replace(first.image, width=6000, height=3000)
    return replace(first, image=image, tile_side=SIDE)


def tiles_in(piece):
    rectangle = piece.rectangle
    rows = range(rectangle.top // SIDE, -(-(rectangle.top + rectangle.height) // SIDE))
    columns = range(rectangle.left // SIDE, -(-(rectangle.left + rectangle.width) // SIDE))
    return {(row, column) for row in rows for column in columns}


places = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 11)), min_size=1)


@given(places=places, at_once=st.integers(1, 16), halvings=st.integers(0, 3))
def test_each_tile_comes_once_and_half_of_what_comes_is_needed(section, places, at_once, halvings):
    pieces = pieces_of(section, places, side=SIDE << halvings, at_once=at_once)
    asked = [place for piece in pieces for place in piece.places]
    assert sorted(asked) == sorted(places)
    assert len(pieces) >= min(len(places), at_once)
    covered = [tiles_in(piece) for piece in pieces]
    assert sum(map(len, covered)) == len(set().union(*covered)), "no tile is asked for twice"
    for piece, tiles in zip(pieces, covered, strict=True):
        assert set(piece.places) <= tiles
        assert 2 * len(piece.places) >= len(tiles)
        most = SIDE << min(halvings, 2)
        assert max(piece.rectangle.width, piece.rectangle.height) <= most
        assert piece.rectangle.left % SIDE == piece.rectangle.top % SIDE == 0
        assert piece.rectangle.left + piece.rectangle.width <= 6000
        assert piece.rectangle.top + piece.rectangle.height <= 3000
    bundles = bundles_of(pieces)
    assert {id(piece) for bundle in bundles for piece in bundle} == set(map(id, pieces))
    assert all(sum(len(p.places) for p in bundle) <= 64 for bundle in bundles)


def test_a_section_takes_few_requests_and_a_window_one_for_each_tile(section):
    everything = [(row, column) for row in range(6) for column in range(12)]
    whole = pieces_of(section, everything, side=2048, at_once=4)
    assert len(whole) == 2 * 3
    window = pieces_of(section, [(2, 3), (2, 4), (3, 3), (3, 4)], side=2048, at_once=8)
    assert [len(piece.places) for piece in window] == [1, 1, 1, 1]
    assert pieces_of(section, [], side=2048, at_once=8) == []


def test_a_source_of_files_is_asked_for_its_tiles_alone(section):
    everything = [(row, column) for row in range(6) for column in range(12)]
    alone = pieces_of(section, everything, side=SIDE, at_once=8)
    assert [piece.rectangle for piece in alone] == [section.tile(*place) for place in everything]


def test_a_whole_image_is_one_piece():
    plan = plan_dataset("phantom", resolution=50).plans["image"]
    first = plan.sections[0]
    (piece,) = pieces_of(first, first.tiles(plan.whole), side=first.tile_side, at_once=8)
    assert piece.rectangle == first.tile(0, 0)
    assert piece.rectangle.whole
    assert atldld_xr.open_dataset("phantom", resolution=50).sizes["coronal"] == len(plan.sections)
