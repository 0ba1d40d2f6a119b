"""Several sections to a slide: their tiers start with a pixel of the slide, not with their own."""

from __future__ import annotations

import json

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.tiers import slide_offset
from atldld_xr.allen.transforms import affines_in_space
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.testing import BEADS, AllenServer, Phantom, Quirks
from recorded import ALLEN


class Slides(Phantom):
    """Sections that lie on their slides wherever they came to lie."""

    def _image_record(self, index):
        record = super()._image_record(index)
        right, down = 16 * (5 + 3 * index % 11) + 5, 16 * (15 - index % 7) + 14
        moved = {"x": record["x"] + right, "y": record["y"] + down}
        sides = ("image_width", right), ("image_height", down)
        return record | moved | {name: record[name] + more for name, more in sides}


SHAPE = {"id": 900000009, "plane": "sagittal", "spacing": 36, "first": 14, "span": (13e3, 8e3)}
SLIDES = Slides(**SHAPE, resolution=1.6, count=4)
COARSE = Slides(**SHAPE | {"id": 900000010}, resolution=8.0, count=4)


def worst_centroid(source, resolution):
    """Return how far beads are seen from where the formula has them, at most, in micrometres."""
    ds = atldld_xr.open_dataset(SLIDES.id, source=source, resolution=resolution, chunks=None)
    data = parse_dataset(SLIDES.record)
    tvr, trv = affines_in_space(data, 10)
    worst = []
    for index in range(ds.sizes["sagittal"]):
        (image,) = (i for i in data.images if i.id == int(ds.section_image_id[index]))
        affine = ds.affine.values[index]
        for bead in (bead for bead in BEADS if bead.axis == 2):
            # The point of the section's own plane that is the bead's p and i.
            r = float(ds.sagittal[index])
            tsv, tvs = np.asarray(image.tsv), np.asarray(image.tvs)
            z = image.section_number * data.section_thickness
            for _ in range(20):
                volume = trv[:, :3] @ [bead.p, bead.i, r] + trv[:, 3]
                point = tvr[:, :3] @ [*volume[:2], z] + tvr[:, 3]
                r += float(point[2] - r)
            pixel = tvs[:, :2] @ volume[:2] + tvs[:, 2]
            assert np.allclose(tsv[:, :2] @ pixel + tsv[:, 2], volume[:2], atol=0.5)
            y, x = np.linalg.solve(affine[:, :2], pixel - affine[:, 2])
            half = 400 + resolution
            near = ds.image[index].sel(y=slice(y - half, y + half), x=slice(x - half, x + half))
            signal = near.values.astype(float).sum(-1)
            weight = np.clip(np.median(signal) - signal, 0, None)
            got_y = (weight.sum(1) * near.y.values).sum() / weight.sum()
            got_x = (weight.sum(0) * near.x.values).sum() / weight.sum()
            worst.append(float(np.hypot(got_y - y, got_x - x)))
    assert len(worst) == 9
    return max(worst)


@pytest.mark.parametrize(("resolution", "bound"), [(25, 0.5), (100, 3), (200, 25)])
def test_sections_are_where_the_formula_has_them(resolution, bound):
    # 13, 60 and 109 um where the tiers are taken to start with the sections.
    assert worst_centroid(PhantomSource((SLIDES,)), resolution) < bound


def test_a_coarser_tier_than_the_source_has_is_made_where_the_finer_one_starts(tmp_path):
    save_mirror([SLIDES.id], tmp_path, source=PhantomSource((SLIDES,)), tiers=[3])
    assert worst_centroid(str(tmp_path), 100) < 3


@pytest.mark.parametrize("offsets", ["floor", "nearest", "exact"])
def test_a_service_need_not_round_for_it(offsets):
    """However it rounds, windows that start with a pixel of the tier are what is asked for."""
    plain = atldld_xr.open_dataset(
        COARSE.id, source=PhantomSource((COARSE,)), resolution=100, chunks=None
    )
    with AllenServer([COARSE], quirks=Quirks(offsets=offsets)) as server:
        ds = atldld_xr.open_dataset(COARSE.id, source=server.url, resolution=100, chunks=None)
        off = np.abs(ds.image.values.astype(int) - plain.image.values).mean()
        asked = [r.query for r in server.log if r.image_id]
    assert off < 0.5
    assert all(int(q["left"]) % 2 ** int(q["downsample"]) == 0 for q in asked)
    # The server does round otherwise, if it is left to it.
    image = parse_dataset(COARSE.record).images[0]
    assert (image.x % 8, image.y % 8) == (5, 6)


def test_an_image_says_which_pixels_it_shows():
    image = parse_dataset(COARSE.record).images[0]
    ds = atldld_xr.open_image(image.id, source=PhantomSource((COARSE,)), tier=3, chunks=None)
    assert ds.x_pixel.values[:2].tolist() == [3.5 - 5, 11.5 - 5]
    assert ds.y_pixel.values[:2].tolist() == [3.5 - 6, 11.5 - 6]
    fine = atldld_xr.open_image(image.id, source=PhantomSource((COARSE,)), tier=0, chunks=None)

    # The tier's pixels are means of those that it says they cover, and not of those beside them.
    def off(top, left):
        part = fine.image.values[top : top + 960, left : left + 960].astype(float)
        means = part.reshape(120, 8, 120, 8, 3).mean((1, 3))
        return np.abs(means - ds.image.values[1:121, 1:121]).mean()

    assert off(8 - 6, 8 - 5) < 0.6 * min(off(8, 8), off(0, 0), off(2, 8), off(8, 3))


@pytest.mark.skipif(not ALLEN.exists(), reason="Allen's recorded data are not here")
def test_offsets_are_those_of_the_public_bucket():
    record = json.loads((ALLEN / "bucket_section_data_set_100055044.json").read_text())
    seen = 0
    for image in record["section_images"]:
        tiers = image["downsampling"]
        full = tiers["downsample_0"]
        for name, place in tiers.items():
            tier = int(name.removeprefix("downsample_"))
            for axis in "xy":
                assert place[axis] << tier == slide_offset(full[axis], 0, tier)
            seen += 1
    assert seen == 144
