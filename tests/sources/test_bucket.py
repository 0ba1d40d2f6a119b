"""Allen's bucket of slides: equal to what was drawn, and no more read of it than windows need."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask.base import tokenize

import atldld_xr
from atldld_xr.allen.bucket_layout import check_crop, dataset_key, parse_slides, slide_key
from atldld_xr.allen.metadata import SectionImage, parse_dataset
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    SectionImageError,
    ServiceError,
)
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.settings import config
from atldld_xr.sources.bucket import BucketSource, slides_of
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.recent_pixels import whole_images
from atldld_xr.sources.recent_segments import recent_segments
from atldld_xr.testing.server import AllenServer
from recorded import ALLEN
from slides import FORMS, TILED, LoggedBucket, bucket_record, lay_out, logged_s3, putting, tiff

SMALL = Phantom(id=900_000_004, resolution=16.0, count=6)
FINE = Phantom(id=900_000_005, resolution=3.4, count=2)  # just too large for one piece
DRAWN = PhantomSource((SMALL, FINE))


@pytest.fixture(autouse=True)
def _nothing_in_memory() -> None:
    forget()


def forget() -> None:
    """Have nothing known in this process of any bucket."""
    from atldld_xr.sources import slides

    slides_of.cache_clear()
    recent_segments().clear()
    whole_images().clear()
    slides._headers().clear()


@pytest.fixture(scope="module")
def allen() -> Iterator[AllenServer]:
    with AllenServer([SMALL, FINE]) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[LoggedBucket]:
    with logged_s3() as bucket:
        lay_out(putting(bucket.url, bucket.options), SMALL, (0, 1, 2), **TILED)
        lay_out(putting(bucket.url, bucket.options), FINE, (0,), **TILED)
        yield bucket


@pytest.fixture
def bucket(s3: LoggedBucket, allen: AllenServer) -> BucketSource:
    s3.asked.clear()
    allen.clear_log()
    return BucketSource(s3.url, s3.options, service=allen.url)


def images(phantom: Phantom) -> tuple[SectionImage, ...]:
    return parse_dataset(phantom.record).images


def whole(image: SectionImage, tier: int) -> Tile:
    size = tier_size(image.width, tier), tier_size(image.height, tier)
    return Tile(tier, 0, 0, *size, whole=True)


@pytest.mark.parametrize("form", FORMS)
def test_sections_are_cut_from_their_slides(form: str, tmp_path: Path) -> None:
    lay_out(putting(str(tmp_path)), SMALL, (0, 2), **FORMS[form])
    bucket = BucketSource(str(tmp_path), service=DRAWN)
    assert bucket.dataset_record(SMALL.id) == SMALL.record
    for image in images(SMALL):
        for tier in (0, 2):
            tile = whole(image, tier)
            pixels, drawn = bucket.read(image, tile, "image"), DRAWN.read(image, tile, "image")
            if form == "JPEG":
                assert np.abs(pixels.astype(int) - drawn).mean() < 4
            else:
                assert np.array_equal(pixels, drawn)
            part = Tile(tier, 13, 40, 101, 80, whole=False)
            cut = pixels[40:120, 13:114]
            assert np.array_equal(bucket.read(image, part, "image"), cut)


def test_only_what_overlaps_a_window_is_read(bucket: BucketSource, s3: LoggedBucket) -> None:
    """Of 256 px tiles, a window of 300 px touches 3 x 3 at most, each of which has 200 kB."""
    image = images(FINE)[0]
    slide = slide_key(FINE.id, 0, "section_image_0.tiff")
    with config.set({"cache.enabled": False}):
        pixels = bucket.read(image, Tile(0, 1024, 1024, 300, 300, whole=False), "image")
        assert np.array_equal(
            pixels, DRAWN.read(image, Tile(0, 1024, 1024, 300, 300, whole=False), "image")
        )
        header = 1 << 17
        assert 0 < s3.sent() <= 9 * 256 * 256 * 3 + header
        assert {path.partition("/section")[0] for path in s3.count()} == {f"/{s3.url[5:]}"}
        assert not any(r == "" for m, p, r in s3.asked if m == "GET" and p.endswith(slide))
        # Neighbours share segments, and nothing is read twice.
        before = s3.sent()
        bucket.read(image, Tile(0, 1024, 1024, 300, 300, whole=False), "image")
        assert s3.sent() == before
        bucket.read(image, Tile(0, 1324, 1024, 300, 300, whole=False), "image")
        assert before < s3.sent() <= before + 6 * 256 * 256 * 3


def test_neighbours_on_a_slide_at_once_read_each_segment_once(
    bucket: BucketSource, s3: LoggedBucket
) -> None:
    with config.set({"cache.enabled": False}):
        ds = atldld_xr.open_dataset(SMALL.id, source=bucket, resolution=25, tier=0, chunks=None)
        ds.image.load()
    spans = [asked for asked in s3.asked if asked[0] == "GET" and asked[1].endswith(".tiff")]
    assert len(spans) == len(set(spans))


def test_a_second_run_asks_for_nothing(
    bucket: BucketSource, s3: LoggedBucket, allen: AllenServer
) -> None:
    first = atldld_xr.open_dataset(SMALL.id, source=bucket, resolution=50, expression="intensity")
    first = first[["image", "expression"]].load()
    assert s3.sent() > 0
    assert first.attrs["source"] == s3.url
    forget()
    s3.asked.clear()
    allen.clear_log()
    again = atldld_xr.open_dataset(SMALL.id, source=bucket, resolution=50, expression="intensity")
    assert again[["image", "expression"]].load().equals(first)
    offline = atldld_xr.open_dataset(
        SMALL.id, source=bucket, resolution=50, expression="intensity", offline=True
    )
    assert offline[["image", "expression"]].load().equals(first)
    assert not s3.asked
    assert not allen.log


def test_offline_says_what_is_not_there(bucket: BucketSource) -> None:
    with pytest.raises(ServiceError, match="offline is on"):
        atldld_xr.open_dataset(SMALL.id, source=bucket, offline=True)
    ds = atldld_xr.open_dataset(SMALL.id, source=bucket, resolution=50)
    with config.set(offline=True), pytest.raises(SectionImageError, match="offline is on"):
        ds.image[0].load()


def test_metadata_of_any_age_do_where_the_service_is_gone(s3: LoggedBucket) -> None:
    with AllenServer([SMALL]) as server:
        bucket = BucketSource(s3.url, s3.options, service=server.url)
        there = atldld_xr.open_dataset(SMALL.id, source=bucket, resolution=50).image.load()
    with config.set({"cache.metadata_days": 0}):
        gone = atldld_xr.open_dataset(SMALL.id, source=bucket, resolution=50).image.load()
    assert gone.equals(there)


def test_what_is_missing_is_told(bucket: BucketSource) -> None:
    with pytest.raises(DatasetNotFoundError, match=f"no section data set 77 in {bucket.url}"):
        bucket.dataset_record(77)
    image = images(SMALL)[0]
    with pytest.raises(SectionImageError, match="lacks its slide at tier 3"):
        bucket.read(image, whole(image, 3), "image")
    assert bucket.tiers(image, "image") == frozenset(range(image.tier_count))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(id=5), "is about 5"),
        (lambda r: r.update(section_images=3), "no record of section images"),
        (lambda r: r["section_images"].append(3), "about section image 3"),
        (lambda r: r["section_images"][0].update(image_file_name="../x"), "names no file"),
        (lambda r: r["section_images"][0]["downsampling"].update(x={}), "'x' is no tier"),
        (
            lambda r: r["section_images"][0]["downsampling"]["downsample_1"].update(x=10**5),
            "no slide has the part",
        ),
        (
            lambda r: r["section_images"][0]["downsampling"]["downsample_1"].update(width=-1),
            "-1 is no such number",
        ),
    ],
)
def test_records_that_are_none_are_refused(change: Any, reason: str) -> None:
    record = json.loads(json.dumps(bucket_record(SMALL)))
    change(record)
    with pytest.raises(MetadataError, match=reason):
        parse_slides(record, SMALL.id)


def test_a_section_that_lies_elsewhere_on_its_slide_is_no_section(tmp_path: Path) -> None:
    record = bucket_record(SMALL)
    record["section_images"][0]["downsampling"]["downsample_2"]["x"] += 1
    put = putting(str(tmp_path))
    lay_out(put, SMALL, (2,), **TILED)
    put(dataset_key(SMALL.id), json.dumps(record).encode())
    bucket, image = BucketSource(str(tmp_path), service=DRAWN), images(SMALL)[0]
    with pytest.raises(SectionImageError, match="of its slide at tier 2, the service at"):
        bucket.read(image, whole(image, 2), "image")


def test_a_slide_that_is_packed_as_one_is_read_within_a_limit(tmp_path: Path) -> None:
    lay_out(putting(str(tmp_path)), SMALL, (1,), **FORMS["one packed strip"])
    bucket, image = BucketSource(str(tmp_path), service=DRAWN), images(SMALL)[0]
    with (
        config.set({"bucket.limit": "1MB"}),
        pytest.raises(SectionImageError, match=r"the setting bucket.limit allows 1 MB: raise it"),
    ):
        bucket.read(image, whole(image, 1), "image")


def test_a_slide_of_another_size_is_refused(tmp_path: Path) -> None:
    put = putting(str(tmp_path))
    lay_out(put, SMALL, (1,), **TILED)
    put(slide_key(SMALL.id, 1, "section_image_0.tiff"), tiff(np.zeros((64, 64, 3), np.uint8)))
    bucket, image = BucketSource(str(tmp_path), service=DRAWN), images(SMALL)[0]
    with pytest.raises(SectionImageError, match="announced as of"):
        bucket.read(image, whole(image, 1), "image")


def test_it_travels_without_its_secrets(bucket: BucketSource, s3: LoggedBucket) -> None:
    again = BucketSource(bucket.url, s3.options | {"secret": "another"}, bucket.service)
    assert tokenize(again) == tokenize(bucket) == tokenize(pickle.loads(pickle.dumps(bucket)))
    assert s3.options["secret"].encode() not in pickle.dumps(bucket)
    assert s3.options["secret"] not in repr(bucket)
    assert BucketSource(f"{bucket.url}/section_data_sets.json").url == bucket.url
    for wrong in ("s3://user:password@a/b", "", 5):
        with pytest.raises(InvalidArgumentError):
            BucketSource(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="no service's address"):
        BucketSource(service=3)  # type: ignore[arg-type]


def test_allens_own_is_read_by_nobody(allen: AllenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials, which the server would be shown; named by a word or by its address."""
    with logged_s3("allen-mouse-brain-atlas") as own:
        lay_out(putting(own.url, own.options), SMALL, (2,), **TILED)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own.endpoint)
        monkeypatch.setenv("ATLDLD_XR_API_URL", allen.url)
        with config.set(api_url=allen.url):
            drawn = atldld_xr.open_dataset(SMALL.id, source=DRAWN, resolution=100)
            for name in ("bucket", own.url, f"{own.url}/section_data_sets.json"):
                ds = atldld_xr.open_dataset(SMALL.id, source=name, resolution=100)
                assert ds.attrs["source"] == own.url
                assert np.array_equal(ds.image, drawn.image)


@pytest.mark.skipif(not ALLEN.exists(), reason="the recorded data are not there")
def test_the_recorded_bucket_is_understood() -> None:
    content = (ALLEN / "bucket_section_data_set_100055044.json").read_bytes()
    slides = parse_slides(json.loads(content), 100055044)
    assert len(slides) == 16
    assert len({slide.file for slide in slides.values()}) == 5
    for image_id, slide in slides.items():
        full = slide.crops[0]
        image = SectionImage(
            image_id, 100055044, 1, 1.049, full.width, full.height, full.x, full.y, 9, False
        )
        assert set(slide.crops) == set(range(9))
        for tier, crop in slide.crops.items():
            check_crop(crop, image, tier)
