"""What cannot be searched for, and answers that are none."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

import atldld_xr
from answering import Server, running
from atldld_xr.errors import InvalidArgumentError, ServiceError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gene": "it's"}, "gene: .*no way to write"),
        ({"limit": 0}, "limit must be"),
        ({"limit": True}, "limit must be"),
        ({"limit": "5"}, "limit must be"),
        ({"progress": 1}, "progress must be"),
        ({"refresh": 1}, "refresh must be"),
        ({"product": 1.5}, "product: an id is a positive whole number"),
        ({"product": b"Mouse"}, "product is a text"),
        ({"product": -1}, "product: an id"),
        ({"injection_structure": []}, "injection_structure is a text"),
        ({"injection_structure": 0}, "injection_structure: an id"),
        ({"source": "phantom"}, "cannot be searched"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(server, arguments, message):
    for search in (atldld_xr.search, atldld_xr.search_images):
        with pytest.raises(InvalidArgumentError, match=message):
            search(**arguments)
    assert server.metadata_requests == 0


def test_an_unknown_product_is_told_with_those_that_there_are(server):
    with pytest.raises(InvalidArgumentError, match=r"no product 'Rat' .*Mouse, DevMouse"):
        atldld_xr.search(product="Rat")


@pytest.mark.parametrize(
    ("msg", "said"),
    [
        ([{}], "a record without an id"),
        ([5], "a record without an id"),
        ("sorry", "holds no records"),
        ({"genes": []}, "holds no records"),
    ],
)
def test_answers_that_are_none_fail_in_words(msg, said):
    with answering_with(msg) as url, pytest.raises(ServiceError, match=f"^data sets: .*{said}"):
        atldld_xr.search(source=url)


def test_of_a_garbled_record_is_told_what_can_be():
    garbled = {"id": 5, "genes": 7, "specimen": [], "products": [{"name": 1}], "failed": "no"}
    with answering_with([garbled]) as url:
        found = atldld_xr.search(source=url)
    assert found.id.tolist() == [5]
    assert found.drop(columns="id").isna().all(axis=None)


@contextmanager
def answering_with(msg):
    envelope = {"success": True, "total_rows": 1, "num_rows": 1, "msg": msg}
    with running(Server()) as server:
        server.answers = [lambda handler: handler.reply(200, json.dumps(envelope).encode())]
        yield f"{server.url}/api/v2"
