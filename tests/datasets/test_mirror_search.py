"""mirror of all that a search finds: data set by data set, and gone on with after an interrupt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.settings import config
from atldld_xr.sources import save_mirror
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.server import AllenServer

MANY = [Phantom(id=900_000_020 + k, resolution=64.0, count=3) for k in range(5)]
IMAGES = 2  # of each, as one is failed


@pytest.fixture
def server() -> Iterator[AllenServer]:
    with AllenServer(MANY) as server, config.set({"cache.enabled": False, "http.retries": 0}):
        yield server


def test_a_table_is_copied(server: AllenServer, tmp_path: Path) -> None:
    found = atldld_xr.search(gene="Phanc", source=server.url)
    assert len(found) == len(MANY)
    summary = atldld_xr.mirror(found, path=tmp_path, source=server.url, resolution=100)
    assert summary.files == len(MANY) * (1 + IMAGES)
    assert summary.excluded == {"failed": len(MANY)}
    assert MirrorSource(str(tmp_path)).manifest().datasets == set(found.id)  # type: ignore[union-attr]
    for number in found.id:
        ds, mirrored = (
            atldld_xr.open_dataset(number, resolution=100, source=source).image
            for source in (server.url, tmp_path)
        )
        assert mirrored.equals(ds)
    with pytest.raises(InvalidArgumentError, match="without a column 'dataset' or 'id'"):
        atldld_xr.mirror(found.drop(columns="id"), path=tmp_path, source=server.url)


def test_a_table_of_images_names_their_data_sets(server: AllenServer, tmp_path: Path) -> None:
    images = atldld_xr.search_images(gene="Phanc", source=server.url)
    ids = set(images.dataset[:4])  # of two data sets
    atldld_xr.mirror(images[:4], path=tmp_path, source=server.url, resolution=100)
    manifest = MirrorSource(str(tmp_path)).manifest()
    assert manifest is not None
    assert manifest.datasets == ids


@pytest.mark.parametrize("pending", [1, 10_000])
def test_it_goes_on_where_it_ended(
    server: AllenServer, tmp_path: Path, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save_mirror, "_MOST_PENDING", pending)
    ids = [phantom.id for phantom in MANY]
    lost = MANY[3].record["section_images"][0]["id"]
    server.faults = Faults(never=frozenset({lost}))
    with pytest.raises(SectionImageError):
        atldld_xr.mirror(ids, path=tmp_path, source=server.url, tiers=[1])
    server.faults = Faults()
    server.clear_log()
    calls: list[tuple[int, int]] = []
    summary = save_mirror.save_mirror(
        ids,
        str(tmp_path),
        source=atldld_xr.sources.resolve.resolve(server.url),
        tiers=[1],
        progress=lambda done, total: calls.append((done, total)),
    )
    # Of the first time, one may still have been under way.
    assert server.image_requests - 1 <= len(MANY) * IMAGES - summary.skipped
    assert summary.files == len(MANY) + len(MANY) * IMAGES - summary.skipped
    assert summary.skipped >= 3 * IMAGES
    assert calls == [(k + 1, len(MANY) * IMAGES) for k in range(len(MANY) * IMAGES)]
    manifest = MirrorSource(str(tmp_path)).manifest()
    assert manifest is not None
    assert manifest.datasets == set(ids)
    assert len(manifest.images) == len(MANY) * IMAGES
