"""One data set from each source, by each executor: the same bits, or within what JPEG loses."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.arrays import plain_loop
from atldld_xr.phantom.phantom import CORONAL
from atldld_xr.settings import config
from atldld_xr.sources.bucket import BucketSource
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.resolve import resolve
from atldld_xr.testing.server import AllenServer
from slides import JPEG, STRIPPED, TILED, LoggedBucket, lay_out, logged_s3, putting

TIER = 3
OPTIONS: dict[str, Any] = {"resolution": 50, "tier": TIER}
WINDOW = {"y": slice(2000, 5000), "x": slice(3000, 8000)}
AS_SERVED = ("server", "mirror", "mirror in S3", "zip", "zip in S3")
AS_DRAWN = ("phantom", "tiled bucket", "stripped bucket")


@pytest.fixture(scope="module")
def s3() -> Iterator[LoggedBucket]:
    with logged_s3() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def sources(
    s3: LoggedBucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Source]]:
    path = tmp_path_factory.mktemp("sources")
    fs = fsspec.filesystem("s3", **s3.options)
    with AllenServer([CORONAL]) as server, config.set({"cache.enabled": False}):
        atldld_xr.mirror(CORONAL.id, path=path / "mirror", source=server.url, tiers=[TIER])
        with zipfile.ZipFile(path / "mirror.zip", "w") as out:
            for file in (path / "mirror").iterdir():
                out.write(file, f"mirror/{file.name}")
        fs.put(str(path / "mirror"), f"{s3.url}/mirror", recursive=True)
        fs.put(str(path / "mirror.zip"), f"{s3.url}/mirror.zip")
        forms = {"tiled": TILED, "stripped": STRIPPED, "JPEG": JPEG}
        for name, form in forms.items():
            lay_out(putting(f"{s3.url}/{name}", s3.options), CORONAL, (TIER,), **form)
        yield {
            "phantom": resolve("phantom"),
            "server": resolve(server.url),
            "mirror": resolve(str(path / "mirror")),
            "mirror in S3": MirrorSource(f"{s3.url}/mirror", s3.options),
            "zip": resolve(str(path / "mirror.zip")),
            "zip in S3": MirrorSource(f"{s3.url}/mirror.zip", s3.options),
        } | {
            f"{name} bucket": BucketSource(f"{s3.url}/{name}", s3.options, service=server.url)
            for name in forms
        }


def opened(source: Source, chunks: Any) -> xr.DataArray:
    return atldld_xr.open_dataset(CORONAL.id, source=source, chunks=chunks, **OPTIONS).image


def in_a_loop(source: Source) -> np.ndarray:
    """Return all pixels as the plain loop makes them: the reference."""
    array = opened(source, None).variable._data.array  # type: ignore[attr-defined]
    return np.asarray(plain_loop.load(array.variable, source))


@pytest.fixture(scope="module")
def served(sources: dict[str, Source]) -> np.ndarray:
    return in_a_loop(sources["server"])


@pytest.fixture(scope="module")
def drawn(sources: dict[str, Source]) -> np.ndarray:
    return in_a_loop(sources["phantom"])


@pytest.mark.parametrize("name", [*AS_SERVED, *AS_DRAWN])
def test_every_source_and_executor_gives_the_same_bits(
    name: str, sources: dict[str, Source], served: np.ndarray, drawn: np.ndarray
) -> None:
    expected = served if name in AS_SERVED else drawn
    source = sources[name]
    with config.set({"cache.enabled": False}):
        assert np.array_equal(in_a_loop(source), expected)
        assert np.array_equal(opened(source, None), expected)
        assert np.array_equal(opened(source, "auto"), expected)
        part = opened(source, {"y": 64, "x": 100}).sel(WINDOW)
        whole = opened(source, None).copy(data=expected)
        assert np.array_equal(part, whole.sel(WINDOW))


def test_slides_in_jpeg_are_as_near_as_jpeg_is(
    sources: dict[str, Source], served: np.ndarray, drawn: np.ndarray
) -> None:
    with config.set({"cache.enabled": False}):
        pixels = in_a_loop(sources["JPEG bucket"])
        assert np.array_equal(opened(sources["JPEG bucket"], "auto"), pixels)
        assert np.array_equal(opened(sources["JPEG bucket"], None), pixels)
    # Another quality of JPEG is as far from what was drawn as the service's own.
    losses = [np.abs(other.astype(int) - drawn).mean() for other in (served, pixels)]
    assert losses[1] <= 2 * losses[0] + 0.5
    assert np.percentile(np.abs(pixels.astype(int) - drawn), 99) <= 12


@pytest.mark.parametrize("name", ["mirror in S3", "zip in S3", "tiled bucket", "zip"])
def test_processes_of_a_cluster_give_the_same_bits(
    name: str, sources: dict[str, Source], served: np.ndarray, drawn: np.ndarray, cluster: Any
) -> None:
    expected = served if name in AS_SERVED else drawn
    assert np.array_equal(opened(sources[name], "auto").compute(), expected)
