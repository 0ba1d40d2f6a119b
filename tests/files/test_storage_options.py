"""Storage options: told to those who need them, by no graph, pickle, name or message."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import cloudpickle
import dask
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from hypothesis import example, given
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError, StoreError
from atldld_xr.files import storage_options
from atldld_xr.files.storage_options import (
    StorageOptionsRef,
    receive,
    register,
    registered,
    store_errors,
)
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.save_mirror import save_mirror
from noise import DATASET_ID, NoiseSource
from object_stores import ObjectStore, s3

OPTIONS = {
    "key": "access-key",
    "secret": "hush-hush",
    "endpoint_url": "http://host:1",
    "client_kwargs": {"headers": [{"session": "hush-session"}]},
}
SECRETS = ("access-key", "hush-hush", "hush-session")


def test_what_is_shared_comes_back_as_a_copy() -> None:
    given_ = json.loads(json.dumps(OPTIONS))
    shared = register(given_)
    given_["client_kwargs"]["headers"].append("theirs")
    assert shared.options() == OPTIONS
    shared.options()["client_kwargs"]["headers"].append("theirs")
    assert shared.options() == OPTIONS
    assert register(shared) is shared
    assert register(dict(OPTIONS)).token == shared.token
    assert shared in registered()
    for none in (None, {}):
        assert register(none).options() == {}
        assert not register(none)


@pytest.mark.parametrize("wrong", ["key=value", [("key", "value")], {1: "value"}, 5])
def test_what_is_no_mapping_of_names_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="storage_options"):
        register(wrong)


def test_a_stand_in_holds_nothing() -> None:
    shared = register(OPTIONS)
    forms = [repr(shared), str(vars(type(shared))), str(tokenize(shared))]
    forms += [pickle.dumps(shared).decode("latin-1"), cloudpickle.dumps(shared).decode("latin-1")]
    assert not [secret for secret in SECRETS for form in forms if secret in form]
    assert pickle.loads(pickle.dumps(shared)).options() == OPTIONS


def test_fresh_credentials_are_the_same_place_and_another_endpoint_is_not() -> None:
    shared, fresh = register(OPTIONS), register(OPTIONS | {"secret": "fresh-secret"})
    assert (shared, hash(shared), tokenize(shared)) == (fresh, hash(fresh), tokenize(fresh))
    assert shared.options() != fresh.options()
    elsewhere = register(OPTIONS | {"endpoint_url": "http://host:2"})
    assert shared != elsewhere
    assert tokenize(shared) != tokenize(elsewhere)
    connections = [f"AccountName={name};AccountKey={key}==;" for name in "ab" for key in "cd"]
    a, same, b, _ = (register({"connection_string": text}) for text in connections)
    assert a == same != b
    passwords = [register({"endpoint_url": f"http://me:{word}@host"}) for word in ("one", "two")]
    assert passwords[0] == passwords[1] == register({"endpoint_url": "http://host"})


def test_options_of_another_process_are_missed_in_words() -> None:
    stranger = StorageOptionsRef("0" * 32)
    with pytest.raises(StoreError, match=r"cluster\.ship.*environment"):
        stranger.options()
    with pytest.raises(StoreError, match=r"cluster\.ship"):
        MirrorSource("memory://nowhere", stranger).dataset_record(5)
    receive(stranger.token, {"secret": "learnt"})
    assert stranger.options() == {"secret": "learnt"}


@given(
    secret=st.text(min_size=4, max_size=40).filter(lambda text: len(text.split()) == 1),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
)
@example("abc/d+e=", "?sig=", "&x")
@example("p%41ss", "http://me:", "@host")
def test_no_form_of_a_secret_is_left_in_a_message(secret: str, before: str, after: str) -> None:
    shared = register({"nested": [{"password": secret}]})
    for form in (secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1]):
        said = shared.describe(ValueError(f"{before}{form}{after}"))
        assert form not in said.replace("***", " ")
    storage_options._KNOWN.pop(shared.token)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "a-token"}, "GET https://host/?access_token=a-token"),
        ({"sas_token": "?sv=2024&sig=signature%2B1"}, "GET https://host/c?x=1&sig=signature%2B1"),
        ({"sas_token": "sv=2024&sig=signature%2B1"}, "bad signature+1"),
        ({"connection_string": "AccountName=me;AccountKey=a/b+c/d=="}, "the key a/b+c/d== is bad"),
        ({"private_key": "-----BEGIN\nMIIEvgIBADANBgkq\n-----END"}, "no key: MIIEvgIBADANBgkq"),
        ({"private_key": "-----BEGIN\nMIIE\nwggE\n-----END"}, "'-----BEGIN\nMIIE\nwggE\n-----END'"),
        ({"password": b"of-bytes"}, "b'of-bytes'"),
        ({"endpoint_url": "http://me:password@host"}, "cannot reach http://me:password@host"),
    ],
)
def test_secrets_as_libraries_repeat_them(options: dict[str, Any], message: str) -> None:
    shared = register(options)
    said = shared.describe(ValueError(message))
    assert "***" in said
    assert "\n" not in said
    for secret in ("a-token", "signature", "a/b", "MIIE", "wggE", "of-bytes", "password@"):
        assert secret not in said
    assert shared.cause(ValueError(message)) is None


def test_what_is_no_secret_stays_in_a_message() -> None:
    shared = register({"endpoint_url": "http://host:1", "token": "anon", "user": "me", "n": 5})
    error = ConnectionError("anonymous at http://host:1: me or 5")
    assert shared.describe(error) == str(error)
    assert shared.cause(error) is error
    assert shared.describe(TimeoutError()) == "TimeoutError"


def test_errors_that_tell_a_secret_leave_no_trace_of_it() -> None:
    def fail(message: str) -> None:
        try:
            raise OSError(message)
        except OSError as error:
            raise ValueError("something else") from error

    shared = register(OPTIONS)
    with (
        pytest.raises(StoreError, match="nothing can be done: something else") as caught,
        store_errors("nothing can be done", shared),
    ):
        fail("your secret is hush-hush")
    assert caught.value.__cause__ is caught.value.__context__ is None
    with pytest.raises(StoreError) as caught, store_errors("nothing can be done", shared):
        fail("you have no secret")
    assert isinstance(caught.value.__cause__, ValueError)
    for error in (KeyError("hush"), DatasetNotFoundError("hush")):
        with (
            pytest.raises(type(error)) as passed_on,
            store_errors("nothing can be done", shared, of=OSError),
        ):
            raise error
        assert passed_on.value is error


# --- a mirror in a bucket, and processes that are to read it


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    with s3() as store:
        source = NoiseSource(tile=4096)
        options = {"source": source, "tiers": [2], "storage_options": store.options}
        save_mirror([DATASET_ID], f"{store.url}/mirror", **options)
        yield store


def open_mirror(bucket: ObjectStore, **options: Any) -> xr.Dataset:
    source = MirrorSource(f"{bucket.url}/mirror", bucket.options)
    options = {"resolution": 100, "chunks": 40, "source": source} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


@pytest.fixture
def expected(bucket: ObjectStore) -> np.ndarray:
    with dask.config.set(scheduler="sync"):
        return open_mirror(bucket).image.values


def test_no_graph_and_no_name_has_them(bucket: ObjectStore) -> None:
    secrets = [bucket.options["key"], bucket.options["secret"]]
    ds = open_mirror(bucket, on_error="fill")
    lazy = open_mirror(bucket, chunks=None)
    texts = [repr(ds), repr(ds.image.data), str(ds.attrs), repr(lazy), repr(ds.image.encoding)]
    for thing in (ds, dict(ds.__dask_graph__()), ds.__dask_graph__(), lazy, lazy.chunk()):
        for dumps in (pickle.dumps, cloudpickle.dumps):
            texts.append(dumps(thing).decode("latin-1"))
        texts.append(str(tokenize(thing)))
    assert not [secret for secret in secrets for text in texts if secret in text]
    other = MirrorSource(f"{bucket.url}/mirror", bucket.options | {"use_ssl": False})
    again = open_mirror(bucket, on_error="fill", source=other)
    assert again.image.data.name == ds.image.data.name


def test_workers_are_told_when_a_dataset_is_opened(
    bucket: ObjectStore, cluster: Any, expected: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    from distributed.protocol import serialize, to_serialize

    caplog.set_level(logging.DEBUG)
    ds = open_mirror(bucket)
    np.testing.assert_array_equal(ds.image, expected)

    # As the client sends it, and as the scheduler and its workers keep and tell it.
    sent = serialize(to_serialize(dask.base.collections_to_expr([ds.image.data])))
    state = cluster.sync(cluster.scheduler.get_cluster_state, exclude=())
    logs = cluster.get_worker_logs(), cluster.get_scheduler_logs()
    frames = [bytes(frame).decode("latin-1") for frame in sent[1]]
    assert len(frames) >= 1
    for text in (*frames, repr(sent[0]), repr(state), repr(logs), caplog.text):
        assert bucket.options["secret"] not in text

    # So do those that come later, and those that start anew.
    cluster.restart()
    cluster.cluster.scale(3)
    cluster.wait_for_workers(3)
    for address in cluster.scheduler_info(n_workers=-1)["workers"]:
        part = cluster.compute(ds.image.isel(coronal=0), workers=[address])
        np.testing.assert_array_equal(part.result(), expected[0])
        part.release()


def test_a_cluster_that_is_connected_later_is_told_by_name(
    bucket: ObjectStore, request: pytest.FixtureRequest, expected: np.ndarray
) -> None:
    from distributed import Client

    from atldld_xr.compute.cluster import ship

    opened = [open_mirror(bucket, on_error=on_error) for on_error in ("raise", "fill")]
    client = request.getfixturevalue("cluster")
    for ds in opened:  # it is no failure of an image: none is left out for it
        with pytest.raises(StoreError, match=r"atldld_xr\.cluster\.ship"):
            ds.image.compute()

    async def from_a_loop() -> None:
        address = client.scheduler.address
        async with Client(address, asynchronous=True, set_as_default=False) as other:
            await ship(other, register(bucket.options))

    asyncio.run(from_a_loop())
    ship(client)
    for ds in opened:
        np.testing.assert_array_equal(ds.image, expected)


def test_other_processes_take_credentials_from_the_environment(
    bucket: ObjectStore, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask.config.set(scheduler="processes", num_workers=1):
        with pytest.raises(StoreError, match="environment"):
            open_mirror(bucket).image.isel(coronal=0).compute()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.options["key"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.options["secret"])
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.options["endpoint_url"])
        ds = open_mirror(bucket, source=f"{bucket.url}/mirror")
        np.testing.assert_array_equal(ds.image.isel(coronal=0), expected[0])


def test_options_that_cannot_be_sent(cluster: Any, bucket: ObjectStore) -> None:
    class Unsendable:
        def __reduce__(self) -> Any:
            raise TypeError(f"it holds {bucket.options['secret']}")

    source = MirrorSource(f"{bucket.url}/mirror", bucket.options | {"username": Unsendable()})
    from atldld_xr.compute.cluster import ship_if_connected

    with pytest.raises(InvalidArgumentError, match="cannot be sent") as caught:
        ship_if_connected(source)
    assert caught.value.__cause__ is caught.value.__context__ is None
    # Exports to elsewhere are told what can be sent, whatever was opened in this process before.
    from atldld_xr.compute.cluster import ship

    ship(cluster)
