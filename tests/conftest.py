"""What all tests share: nothing kept from the user's cache or settings, and none of it touched."""

from __future__ import annotations

import signal
import uuid

import pytest

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from masks import Masks

# A shell ignores SIGINT in what it runs in the background, and what tests start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# So does nohup with SIGHUP.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_settings(tmp_path):
    """Give each test a cache of its own, and retries that do not wait."""
    settings = {
        "cache.directory": str(tmp_path / "cache"),
        "http.backoff": 0.01,
        "http.longest_wait": 0.5,
    }
    with atldld_xr.config.set(settings):
        yield


@pytest.fixture(autouse=True)
def _nothing_noticed():
    """Have nothing known of a service that was at the same port in another test."""
    yield
    from atldld_xr.sources import heard
    from atldld_xr.sources.noticed import noticed

    noticed().forget()
    heard.forget()


@pytest.fixture
def failing_masks():
    """Have a mask of `masks.Masks` fail, as it does again when the test is over."""
    TILES.reset()
    Masks.fails = True
    yield
    Masks.fails = True


@pytest.fixture
def cluster():
    """Connect a client to a Dask cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    # Fresh processes have their own settings: no cache of this test's, and none of the user's.
    environment = {"ATLDLD_XR_CACHE__ENABLED": "False"}
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", env=environment
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def bucket():
    """Serve S3 with an empty bucket; gives its URL and the storage options that lead to it."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import fsspec

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {
            "key": "test",
            "secret": "secret-of-mine",
            "endpoint_url": f"http://{host}:{port}",
        }
        name = f"sections-{uuid.uuid4()}"  # moto keeps buckets for as long as the process lives
        fsspec.filesystem("s3", **options).mkdir(name)
        yield f"s3://{name}", options
    finally:
        server.stop()


@pytest.fixture(scope="module")
def shared():
    """Serve the small data set of `kills`; tests of other ones have fixtures of their own."""
    from atldld_xr.testing import AllenServer
    from kills import SMALL

    with AllenServer(phantoms=[SMALL]) as server:
        yield server


@pytest.fixture
def server(shared):
    """Give the module's service, without faults and with nothing asked of it yet."""
    from atldld_xr.testing import Faults

    shared.faults = Faults()
    shared.clear_log()
    return shared


@pytest.fixture
def as_source(shared):
    """Give the module's service as `server` does, and have it be what the setting source names."""
    from atldld_xr.testing import Faults

    shared.faults = Faults()
    shared.clear_log()
    with atldld_xr.config.set({"source": shared.url}):
        yield shared


@pytest.fixture
def no_cache():
    """Have every image asked for."""
    with atldld_xr.config.set({"cache.enabled": False}):
        yield


@pytest.fixture
def whole(server, tmp_path):
    """Return what an undisturbed run writes."""
    from kills import export, tree

    def written(**opening):
        store = tmp_path / "undisturbed" / "a.zarr"
        assert export(server.url, store, opening=opening) > 0
        return tree(store.parent)

    return written


def pytest_configure(config):
    """Let Hypothesis draw the same examples in every run of CI: its failures are the change's."""
    import os

    from hypothesis import settings

    if os.environ.get("CI"):
        settings.register_profile("same-examples", derandomize=True, deadline=None)
        settings.load_profile("same-examples")


@pytest.fixture(scope="module")
def made(shared, tmp_path_factory):
    """Give a store that is whole, and one that is half finished; others make ones of their own."""
    from damage import Made

    with atldld_xr.config.set({"cache.enabled": False}):
        yield Made(shared.url, tmp_path_factory.mktemp("made"))
