"""source="auto": the first that has the data set, and one warning that says why no other."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    ServiceError,
    SourceFallbackWarning,
)
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.settings import config
from atldld_xr.sources import auto, heard
from atldld_xr.sources.bucket import slides_of
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.resolve import resolve
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.server import AllenServer
from slides import TILED, lay_out, putting

SMALL = Phantom(id=900_000_006, resolution=32.0, count=4)
OTHER = Phantom(id=900_000_007, resolution=32.0, count=4)


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    heard.forget()
    auto._chosen.cache_clear()
    slides_of.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[AllenServer]:
    with AllenServer([SMALL]) as server:
        yield server


@pytest.fixture
def server(running: AllenServer) -> Iterator[AllenServer]:
    running.faults = Faults()
    running.clear_log()
    with config.set({"api_url": running.url, "http.retries": 1, "http.backoff": 0.001}):
        yield running
    running.faults = Faults()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bucket")
    lay_out(putting(str(path)), SMALL, range(3), **TILED)
    return path


@pytest.fixture
def trying(folder: Path) -> Iterator[None]:
    with config.set({"auto.sources": ["service", f"{folder}/section_data_sets.json"]}):
        yield


def open_small(**options: object) -> xr.Dataset:
    return atldld_xr.open_dataset(SMALL.id, resolution=100, **options)  # type: ignore[arg-type]


def drawn() -> np.ndarray:
    return open_small(source=PhantomSource((SMALL,))).image.values


@pytest.mark.usefixtures("trying")
def test_the_first_that_answers_is_taken(server: AllenServer) -> None:
    ds = open_small(source="auto")
    assert ds.attrs["source"] == server.url
    assert ds.image.equals(open_small(source=server.url).image)
    with config.set(source="auto"):
        assert open_small().attrs["source"] == server.url


@pytest.mark.usefixtures("trying")
def test_a_service_that_is_down_is_told_once_and_kept_metadata_do(
    server: AllenServer, folder: Path
) -> None:
    open_small(source="auto")
    heard.forget()
    server.faults = Faults(rate=1, kinds=("503",), metadata=True)
    with config.set({"cache.metadata_days": 0}), pytest.warns() as caught:
        ds = open_small(source="auto")
    [told] = caught
    assert told.category is SourceFallbackWarning
    assert str(folder) in str(told.message)
    assert "answered 503" in str(told.message)
    assert ds.attrs["source"] == str(folder)
    assert np.array_equal(ds.image, drawn())
    # It is not waited for again, for a while.
    server.clear_log()
    with pytest.warns(SourceFallbackWarning):
        open_small(source="auto")
    assert not server.log
    image = int(ds.section_image_id[0])
    with pytest.raises(ServiceError, match="no source has it"):
        atldld_xr.open_image(image, source="auto", tier=2)


@pytest.mark.usefixtures("trying")
def test_kept_metadata_do_not_hide_that_a_service_is_gone(folder: Path) -> None:
    with AllenServer([SMALL]) as short_lived, config.set(api_url=short_lived.url):
        open_small(source="auto")
        heard.forget()
        short_lived.close()
        with pytest.warns(SourceFallbackWarning, match="connection"):
            ds = open_small(source="auto")
        assert ds.attrs["source"] == str(folder)


def test_a_mirror_first(server: AllenServer, tmp_path: Path) -> None:
    mirror = str(tmp_path / "mirror")
    atldld_xr.mirror(SMALL.id, path=mirror, source=server.url, resolution=100)
    server.clear_log()
    with config.set({"auto.sources": f"{mirror}, service"}), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_small(source="auto").attrs["source"] == mirror
        assert not server.log
    empty = tmp_path / "empty"
    empty.mkdir()
    with (
        config.set({"auto.sources": [str(empty), "service"]}),
        pytest.warns(SourceFallbackWarning, match=f"no section data set {SMALL.id} in {empty}"),
    ):
        assert open_small(source="auto").attrs["source"] == server.url


@pytest.mark.parametrize("open_many", ["open_datasets", "open_volumes"])
def test_of_many_each_is_of_the_one_that_is_taken_for_it(tmp_path: Path, open_many: str) -> None:
    ids = [SMALL.id, OTHER.id]
    with AllenServer([SMALL, OTHER]) as server:
        mirror = str(tmp_path / "mirror")
        atldld_xr.mirror(SMALL.id, path=mirror, source=server.url, resolution=100)
        server.clear_log()
        with (
            config.set({"auto.sources": [mirror, server.url], "http.retries": 0}),
            pytest.warns(SourceFallbackWarning, match=f"no section data set {OTHER.id} in"),
        ):
            many = getattr(atldld_xr, open_many)(ids, source="auto", resolution=200)
        if open_many == "open_datasets":
            found = [many[str(number)].attrs["source"] for number in ids]
            assert found == [mirror, server.url]
        many.load()
    own = {image["id"] for image in OTHER.record["section_images"]}
    assert {request.image_id for request in server.log} - {None} <= own


@pytest.mark.usefixtures("trying")
def test_none_has_it(server: AllenServer, folder: Path) -> None:
    with pytest.raises(DatasetNotFoundError) as caught:
        atldld_xr.open_dataset(OTHER.id, source="auto")
    assert server.url in str(caught.value)
    assert str(folder) in str(caught.value)
    server.faults = Faults(rate=1, kinds=("503",), metadata=True)
    with pytest.raises(ServiceError, match=r"no source has it: .*503.*; .*no section data set"):
        atldld_xr.open_dataset(OTHER.id, source="auto")


@pytest.mark.usefixtures("trying")
def test_offline_takes_what_is_kept(server: AllenServer) -> None:
    first = open_small(source="auto").image.load()
    server.clear_log()
    ds = open_small(source="auto", offline=True)
    assert ds.attrs["source"] == server.url
    assert ds.image.load().equals(first)
    assert not server.log
    with pytest.raises(InvalidArgumentError, match="refresh"):
        open_small(source="auto", offline=True, refresh=True)


@pytest.mark.usefixtures("trying")
def test_what_only_asks_takes_it_too(server: AllenServer) -> None:
    source = pickle.loads(pickle.dumps(resolve("auto")))
    assert source == resolve("auto")
    assert source.url == "auto"
    assert atldld_xr.search(gene="Phanc", source="auto").id.tolist() == [SMALL.id]
    image = open_small(source="auto").section_image_id.values[0]
    get = atldld_xr.utils.get_image
    pixels = get(int(image), source="auto", downsample=2)
    assert np.array_equal(pixels, get(int(image), source=server.url, downsample=2))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "takes a list"),
        ("service,,bucket", "takes a list"),
        (["auto"], "auto cannot be one"),
        (["nowhere"], "'nowhere' is no source"),
    ],
)
def test_a_setting_that_names_none_is_told(value: object, reason: str) -> None:
    with (
        config.set({"auto.sources": value}),
        pytest.raises(InvalidArgumentError, match=rf"setting auto\.sources.*{reason}"),
    ):
        open_small(source="auto")


def test_errors_list_the_kinds() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        resolve("nowhere")
    for word in ('"phantom"', '"auto"', "/api/v2", '"bucket"', ".zip"):
        assert word in str(caught.value)
