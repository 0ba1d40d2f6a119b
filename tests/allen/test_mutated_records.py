"""Records in which anything may be wrong: a data set is opened, or an error of ours is raised."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import AtldldError
from atldld_xr.phantom.phantom import PHANTOMS
from noise import NoiseSource

REAL = Path(__file__).parents[3] / "shared/allen/section_data_set_69289763.json"
NUMBERS = [0, -1, 1, 2, 9, 10**18, 2**63, 10**400, 0.5, 1e-300, 1e308, float("nan"), float("inf")]
OTHERS = [None, True, "", "x", "1", "nan", "\ud800", "\x1b", [], [None], [[]], {}, {"id": 1}]
ODD = st.sampled_from([*NUMBERS, *OTHERS])


class Mutated(NoiseSource):
    """A source with one record."""

    def __init__(self, record):
        super().__init__()
        object.__setattr__(self, "record", record)  # its other fields are frozen

    def dataset_record(self, dataset_id):
        return self.record


def places(value, at=()):
    """Yield the way to every value in a record."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


def mutate(record, changes):
    """Return a record with values changed or missing."""
    record = copy.deepcopy(record)
    for place, value, is_missing in changes:
        # What was there may be gone by now.
        with contextlib.suppress(KeyError, IndexError, TypeError):
            inner = record
            for key in place[:-1]:
                inner = inner[key]
            if is_missing:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
    return record


def check(record, data):
    ways = st.sampled_from(list(places(record)))
    changes = data.draw(st.lists(st.tuples(ways, ODD, st.booleans()), min_size=1, max_size=4))
    mutated = mutate(record, changes)
    with contextlib.suppress(AtldldError):
        images = parse_dataset(mutated).images
        ds = atldld_xr.open_dataset(1, source=Mutated(mutated))
        assert ds.sizes[ds.image.dims[0]] == len(images)
        json.dumps(ds.attrs, allow_nan=False, ensure_ascii=False).encode()


MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(data=st.data(), name=st.sampled_from(sorted(PHANTOMS)))
def test_a_record_of_the_phantoms(data, name):
    check(json.loads(json.dumps(PHANTOMS[name].record)), data)


@pytest.mark.skipif(not REAL.exists(), reason="Allen's recorded data are not here")
@MANY
@given(data=st.data())
def test_a_real_record(data):
    check(json.loads(REAL.read_text())["msg"][0], data)
