"""What the cache keeps of searches: for how long, and what is said of its age."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import pytest

import atldld_xr
from answering import Server, running
from atldld_xr.catalogue.tables import utc
from atldld_xr.errors import InvalidArgumentError, ServiceError
from atldld_xr.testing import Faults


def test_answers_are_kept_and_asked_for_anew(server):
    def asked(**more):
        server.clear_log()
        atldld_xr.search(gene="Pvalb", **more)
        return server.metadata_requests

    assert asked() == 1
    assert asked() == 0
    assert asked(refresh=True) == 1
    with atldld_xr.config.set({"cache.metadata_days": 0}):
        assert asked() == 1
    assert asked(offline=True) == 0


def test_the_age_of_an_answer_is_told(server, monkeypatch):
    atldld_xr.search(gene="Pvalb")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    first = atldld_xr.search(gene="Pvalb").attrs["fetched"]
    assert atldld_xr.search(gene="Pvalb", refresh=True).attrs["fetched"] > first


def test_what_found_nothing_is_kept_for_minutes(server, monkeypatch):
    atldld_xr.search(treatment="NISSL")
    server.clear_log()
    atldld_xr.search(treatment="NISSL")
    assert server.metadata_requests == 0
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    atldld_xr.search(treatment="NISSL")
    assert server.metadata_requests == 1


def test_a_page_that_is_asked_for_anew_is_followed_by_such(server):
    """Pages of different days would not fit together."""
    atldld_xr.search(limit=250)
    cache = atldld_xr.open_cache()
    oldest = min(cache.entries(), key=lambda entry: entry.used)
    cache.discard(oldest.key)
    server.clear_log()
    atldld_xr.search(limit=250)
    assert server.metadata_requests == 3


def test_offline_says_what_is_missing(server):
    atldld_xr.search(gene="Pvalb")
    assert len(atldld_xr.search(gene="Pvalb", offline=True))
    with pytest.raises(ServiceError, match=r"data sets: it is not in the cache.*offline"):
        atldld_xr.search(gene="Gad1", offline=True)
    with pytest.raises(InvalidArgumentError, match="offline is on"):
        atldld_xr.search(gene="Pvalb", offline=True, refresh=True)
    server.clear_log()
    assert server.metadata_requests == 0


def test_a_service_that_is_away_names_what_was_kept(server, monkeypatch):
    atldld_xr.search(gene="Pvalb")
    server.faults = Faults(rate=1.0, metadata=True)
    settings = {"http.retries": 0, "cache.metadata_days": 0}
    with atldld_xr.config.set(settings), pytest.raises(ServiceError, match="the cache has an"):
        atldld_xr.search(gene="Pvalb")


def test_without_a_cache(server):
    with atldld_xr.config.set({"cache.enabled": False}):
        for _ in range(2):
            assert len(atldld_xr.search(gene="Pvalb"))
    assert server.metadata_requests == 2


def test_what_is_kept_of_searches_is_listed_and_cleared(server):
    atldld_xr.search(gene="Pvalb")
    (entry,) = atldld_xr.open_cache().entries()
    assert "/query/" in entry.key
    assert atldld_xr.open_cache().clear()[0] == 1


def envelope(*msg, total=None):
    rows = {"num_rows": len(msg), "total_rows": len(msg) if total is None else total}
    return json.dumps({"success": True, **rows, "msg": list(msg)}).encode()


@contextmanager
def answering(*bodies):
    with running(Server()) as server:
        server.answers = [lambda handler, body=body: handler.reply(200, body) for body in bodies]
        yield server, f"{server.url}/api/v2"


@pytest.mark.parametrize("wrong", [{}, 5, {"id": "7"}, {"id": 2**63}])
def test_what_is_no_record_is_not_kept(wrong):
    with answering(envelope(wrong), envelope({"id": 7})) as (_, url):
        with pytest.raises(ServiceError, match="a record without an id"):
            atldld_xr.search(source=url)
        assert atldld_xr.search(source=url).id.tolist() == [7]


def test_what_was_kept_and_is_no_page_is_asked_for_again(server):
    atldld_xr.search(gene="Pvalb")
    cache = atldld_xr.open_cache()
    (entry,) = cache.entries()
    garbled = {"fetched": time.time(), "complete": True}
    garbled["answer"] = {"success": True, "msg": [{"name": "no id"}]}
    cache.put(entry.key, json.dumps(garbled).encode())
    assert len(atldld_xr.search(gene="Pvalb"))
    assert server.metadata_requests == 2


def test_pages_that_do_not_fit_together_say_how_to_ask_anew():
    short = envelope({"id": 7}, {"id": 8}, total=9)
    last = envelope({"id": 8}, total=9)
    with answering(short, last, last, envelope({"id": 7}, {"id": 8})) as (_, url):
        with pytest.raises(ServiceError, match=r"has no more after 2$"):
            atldld_xr.search(source=url)
        with pytest.raises(ServiceError, match=r"has no more after 2; .*refresh=True asks anew"):
            atldld_xr.search(source=url)
        assert atldld_xr.search(source=url, refresh=True).id.tolist() == [7, 8]


def test_after_a_refresh_that_was_interrupted_no_older_page_follows(server, monkeypatch):
    atldld_xr.search(limit=250)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    atldld_xr.search(limit=99, refresh=True)  # the first page of the same
    server.clear_log()
    found = atldld_xr.search(limit=250)
    assert server.metadata_requests == 2  # the first page is of the refresh
    assert found.attrs["fetched"] == utc(now + 3600)
    assert atldld_xr.search(limit=250, offline=True).equals(found)
