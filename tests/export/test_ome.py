"""OME-Zarr without its readers: planes, pyramids, metadata, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numcodecs import GZip, Zstd
from zarr.codecs import GzipCodec, ZstdCodec

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.ome import create, group_attributes, level_zero, plan_pyramid
from atldld_xr.export.ome.arrays import halve_block
from atldld_xr.planes.axis import find_axis
from atldld_xr.planes.planes import find_planes
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

VERSIONS = ("0.5", "0.4")


def open_noise(**options):
    return atldld_xr.open_dataset(
        DATASET_ID, **({"source": NoiseSource(), "resolution": 50} | options)
    )


def at_positions(positions, **coords):
    """Return a small Dataset with sections at some positions, each of its own grey."""
    n = len(positions)
    grey = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None], (n, 4, 6))
    return xr.Dataset(
        {"image": (("coronal", "y", "x"), da.from_array(grey, chunks=(1, 4, 6)))},
        {"coronal": positions, "y": np.arange(4) + 0.5, "x": np.arange(6) + 0.5} | coords,
        {"section_thickness": 25.0},
    ).pipe(lambda ds: ds.assign(image=ds.image.assign_attrs(fill_value=200)))


def write(ds, path, **options):
    """Write a Dataset as users do; gives its group."""
    ds.atldld.to_ome_zarr(path, **options)
    return zarr.open_group(path, mode="r")


# Planes


@given(
    # Half of the smallest number is 0, and so not between a section there and its neighbour.
    st.lists(st.floats(-500, 14_000, allow_subnormal=False), min_size=1, max_size=30),
    st.floats(0.1, 400),
)
@example([25.0, 50.0, 74.99], 25.0)
@example([100.0], 1 / 3)
def test_every_section_is_in_its_nearest_plane_or_the_advice_is_good(positions, step):
    ds = at_positions(positions)
    try:
        planes = find_planes(ds, step=step)
    except InvalidArgumentError as error:
        advice = re.search(r"step=(\S+) separates", str(error))
        assume(advice is not None)
        planes = find_planes(ds, step=float(advice[1]))
        assert planes.step < step
    assert len(set(planes.places)) == len(positions)
    assert min(planes.places) == 0
    centres = planes.axis.centres
    np.testing.assert_allclose(
        centres / planes.step - 0.5, planes.first + np.arange(len(centres)), atol=1e-6
    )
    off = np.array(positions) - centres[list(planes.places)]
    # Centres are written with twelve digits, as 100.166666667.
    assert (np.abs(off) <= planes.step / 2 + 1e-11 * np.abs(centres).max()).all()
    assert planes.positions == tuple(positions)


@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_sections_in_equal_steps_make_a_block(name):
    ds = atldld_xr.open_dataset(name, resolution=100)
    planes = find_planes(ds)
    numbers = ds.section_number.values
    apart = np.abs(np.diff(numbers)).min()
    assert list(planes.places) == [abs(n - numbers[0]) // apart for n in numbers]
    assert planes.axis.size == len(numbers) + 2  # one is missing, and one is left out
    off = planes.axis.centres[list(planes.places)] - ds[planes.dim].values
    assert np.abs(off).max() <= ds.attrs["section_thickness"] / 2
    grid = group_attributes(ds, plan_pyramid(ds))["atldld_xr"]["planes"]
    assert grid["origin"] + grid["step"] / 2 == pytest.approx(planes.axis.first)
    part = find_planes(ds.isel({planes.dim: [0]}))  # of one, no step is known
    assert (part.step, part.origin) == (25, 0)


def test_other_planes_are_a_sections_thickness_apart_and_on_the_reference_grid():
    ds = atldld_xr.open_dataset("phantom")
    moved = ds.assign_coords(coronal=ds.coronal + np.where(np.arange(17) == 4, 30, 0))
    planes = find_planes(moved)
    assert planes.step == ds.attrs["section_thickness"] == 25
    assert planes.axis.first % 25 == 12.5
    assert planes.axis.size < 528
    coarser = find_planes(ds, step=500)
    assert coarser.axis.size == 20
    assert set(coarser.sections.values()) == set(range(ds.sizes["coronal"]))


def test_two_sections_in_one_plane_are_named():
    ds = atldld_xr.open_dataset("phantom")
    with pytest.raises(InvalidArgumentError) as error:
        find_planes(ds, step=1000)
    first, second = ds.section_image_id.values[2:4]
    assert f"image {first} (3006.7 um) and section image {second} (3523.4 um)" in str(error.value)
    assert "at 3500 um" in str(error.value)
    assert "more pairs" in str(error.value)
    with pytest.raises(InvalidArgumentError, match=r"leave out one of each pair"):
        find_planes(at_positions([100.0, 100.0]))


def test_positions_need_no_order():
    planes = find_planes(at_positions([500.0, 100.0, 320.0]))
    assert planes.places == (16, 0, 8)
    assert planes.sections == {16: 0, 0: 1, 8: 2}
    even = find_planes(at_positions([500.0, 100.0, 290.0]))
    assert even.places == (2, 0, 1)


# What OME-Zarr cannot say


REFUSED = {
    "one section": (lambda ds: ds.isel(coronal=0), {}, r"isel\(coronal=\[0\]\)"),
    "no sections": (lambda ds: ds.isel(coronal=slice(0)), {}, "no section"),
    "other dims": (lambda ds: ds.rename(coronal="time"), {}, "one dimension across sections"),
    "no positions": (lambda ds: ds.drop_vars("coronal"), {}, "no positions"),
    "nowhere": (lambda ds: ds.assign_coords(coronal=[1.0, np.nan, 3.0]), {}, "no position"),
    "far apart": (lambda ds: ds.assign_coords(coronal=[1.0, 2e12, 3e15]), {}, "larger step"),
    "far apart in steps": (
        lambda ds: ds.assign_coords(coronal=[0.0, 100.0, 1e9]),
        {},
        "larger step",
    ),
    "no y": (lambda ds: ds.isel(y=5), {}, "dimension y"),
    "one pixel": (
        lambda ds: ds.isel(x=[5], y=[5]).assign_attrs(resolution="fine"),
        {},
        "set the attribute resolution",
    ),
    "uneven y": (lambda ds: ds.isel(y=[0, 1, 3]), {}, "equal steps"),
    "descending x": (lambda ds: ds.isel(x=slice(None, None, -1)), {}, "equal steps"),
    "millimetres": (
        lambda ds: ds.assign_coords(y=(ds.y / 1000).assign_attrs(units="mm")),
        {},
        "'mm'",
    ),
    "more dims": (lambda ds: ds.expand_dims("time"), {}, "over"),
    "two channels": (lambda ds: ds.isel(channel=[0, 1]), {}, "2 channels"),
    "floats": (lambda ds: ds.astype(float, keep_attrs=True), {}, "float64"),
    "no fill": (lambda ds: ds.drop_attrs().assign_attrs(ds.attrs), {}, "fill_value"),
    "no thickness": (lambda ds: ds.drop_attrs(deep=False), {}, "section_thickness"),
    "no such variable": (lambda ds: ds, {"variable": "expression"}, "no variable"),
    "vectors": (lambda ds: ds, {"variable": "displacement"}, "component"),
    "array": (lambda ds: ds.image, {}, "Dataset"),
    "step 0": (lambda ds: ds, {"step": 0}, "step must be"),
    "step nan": (lambda ds: ds, {"step": float("nan")}, "step must be"),
    "step in words": (lambda ds: ds, {"step": "25"}, "step must be"),
    "levels 0": (lambda ds: ds, {"levels": 0}, "levels must be"),
    "too many levels": (lambda ds: ds, {"levels": 10}, "from 1 to 9"),
}


@pytest.mark.parametrize(("change", "options", "says"), REFUSED.values(), ids=REFUSED)
def test_what_the_format_cannot_say_is_refused(change, options, says):
    ds = change(open_noise())
    with pytest.raises(InvalidArgumentError, match=says):
        plan_pyramid(ds, **options)


@pytest.mark.parametrize("version", ["0.3", 0.5, None])
def test_other_versions_are_refused(tmp_path, version):
    with pytest.raises(InvalidArgumentError, match=r"0\.5 or 0\.4"):
        write(open_noise(), tmp_path / "a.zarr", ome_version=version)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    ("version", "codec"), [("0.4", ZstdCodec()), ("0.5", Zstd()), ("0.5", "zstd")]
)
def test_a_codec_of_the_other_format_is_refused(tmp_path, version, codec):
    with pytest.raises(InvalidArgumentError, match="compressor"):
        write(open_noise(), tmp_path / "a.zarr", ome_version=version, compressor=codec)
    assert not (tmp_path / "a.zarr").exists()


def test_attributes_that_json_cannot_hold_are_named():
    ds = open_noise()
    for bad in (float("nan"), object(), {1j}):
        with pytest.raises(InvalidArgumentError, match="mine"):
            group_attributes(ds.assign_attrs(mine=bad), plan_pyramid(ds))


# Level 0


@pytest.mark.parametrize("chunks", ["auto", 70, {"y": 31, "x": -1}, None])
@pytest.mark.parametrize("expression", [False, "intensity"])
def test_level_zero_is_the_sections_in_their_planes(chunks, expression):
    ds = open_noise(chunks=chunks, expression=expression)
    variable = "expression" if expression else "image"
    pyramid = plan_pyramid(ds, variable=variable)
    array = level_zero(ds, pyramid)
    assert array.shape == pyramid.shape(0)
    assert array.chunksize == pyramid.chunks(0)
    got = array.compute()
    want = np.full(pyramid.shape(0), 0 if expression else 255, dtype=np.uint8)
    for section, position in enumerate(ds.coronal.values):
        pixels = ds[variable][section].values.reshape(*got.shape[2:], -1)
        plane = int(np.argmin(np.abs(pyramid.planes.axis.centres - position)))
        want[:, plane] = np.moveaxis(pixels, -1, 0)
    np.testing.assert_array_equal(got, want)


def test_merged_and_transposed_variables_come_out_alike():
    ds = open_noise()
    want = level_zero(ds, plan_pyramid(ds)).compute()
    other = ds.transpose("channel", "x", "coronal", "y", ...).chunk(coronal=2, channel=1, x=50)
    pyramid = plan_pyramid(other)
    assert pyramid.chunks(0) == (3, 1, *pyramid.block)
    assert pyramid.block[1] == 50
    np.testing.assert_array_equal(level_zero(other, pyramid).compute(), want)


def test_blocks_are_no_larger_than_viewers_take():
    ds = open_noise(resolution=2, chunks={"y": -1, "x": 2048})
    assert ds.sizes["y"] == 4000
    assert plan_pyramid(ds).block == (500, 2048)


@dataclass(frozen=True)
class Unreadable(NoiseSource):
    def read(self, image, tile, view):
        raise AssertionError("a tile was read")


@pytest.mark.parametrize("chunks", ["auto", None])
def test_nothing_is_read_but_the_sections(chunks):
    ds = open_noise(source=Unreadable(), chunks=chunks)
    pyramid = plan_pyramid(ds, step=25)
    create(zarr.storage.MemoryStore(), pyramid, group_attributes(ds, pyramid))
    array = level_zero(ds, pyramid)
    empty = sorted(set(range(pyramid.planes.axis.size)) - set(pyramid.planes.places))
    assert len(empty) > 50
    for plane in (empty[0], empty[-1]):
        assert (array[:, plane].compute() == 255).all()
    with pytest.raises(AssertionError, match="a tile was read"):
        array[:, pyramid.planes.places[1]].compute()


def test_a_block_takes_its_own_tasks_and_no_more():
    ds = open_noise(chunks=70)
    array = level_zero(ds, plan_pyramid(ds))
    whole = ds.image.data[0:1, :70, :70]
    (culled,) = dask.optimize(array.blocks[0, 0, 0, 0])
    (alone,) = dask.optimize(whole)
    assert len(dict(culled.dask)) <= len(dict(alone.dask)) + 2


def test_workers_make_the_same(cluster):
    ds = open_noise(chunks=100)
    pyramid = plan_pyramid(ds)
    planes = list(pyramid.planes.places[:2])
    with dask.config.set(scheduler="sync"):
        want = level_zero(ds, pyramid)[:, planes].compute()
    got = level_zero(ds, pyramid)[:, planes]
    np.testing.assert_array_equal(cluster.gather(cluster.compute(got)), want)


def test_a_stored_data_set_is_exported_alike(tmp_path):
    ds = open_noise()
    ds.atldld.to_zarr(tmp_path / "plain.zarr")
    opened = {"a.zarr": ds, "b.zarr": xr.open_zarr(tmp_path / "plain.zarr")}
    groups = [write(opened[name], tmp_path / name) for name in opened]
    own = [dict(group.attrs) for group in groups]
    assert own[1]["atldld_xr"]["attributes"].pop("atldld_xr_export") == "complete"
    assert own[0] == own[1]
    for level, _ in groups[0].arrays():
        np.testing.assert_array_equal(groups[0][level][:], groups[1][level][:])


# The pyramid


def mean_by_loop(pixels):
    """Return the next level of (y, x), as slow as it is plain; Python rounds halves to even."""
    rows, columns = pixels.shape
    out = np.empty((-(-rows // 2), -(-columns // 2)), dtype=pixels.dtype)
    for j in range(out.shape[0]):
        for k in range(out.shape[1]):
            covered = pixels[2 * j : 2 * j + 2, 2 * k : 2 * k + 2].astype(int)
            out[j, k] = round(covered.sum() / covered.size)
    return out


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_halving_is_the_mean_by_loop(data):
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16]))
    shape = (data.draw(st.integers(1, 3)), 1, *data.draw(st.tuples(*[st.integers(1, 40)] * 2)))
    top = data.draw(st.sampled_from([3, int(np.iinfo(dtype).max)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    pixels = rng.integers(0, top, shape, dtype=dtype, endpoint=True)
    want = np.stack([mean_by_loop(channel[0]) for channel in pixels])[:, None]
    halved = halve_block(pixels)
    assert halved.dtype == dtype
    np.testing.assert_array_equal(halved, want)


def test_means_keep_the_brightness():
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512), dtype=np.uint8)
    mean = pixels.mean()
    for _ in range(6):
        pixels = halve_block(pixels)
    assert abs(pixels.mean() - mean) < 0.15  # halves rounded up would add 0.5


@pytest.mark.parametrize("version", VERSIONS)
def test_the_pyramid_never_depends_on_the_chunks(tmp_path, version):
    stores = {}
    for chunks in ("auto", 61, {"y": 16, "x": -1}, None):
        ds = open_noise(chunks=chunks, resolution=20)
        group = write(ds, tmp_path / f"{len(stores)}.zarr", ome_version=version)
        stores[str(chunks)] = [group[str(level)][:].tobytes() for level in range(3)]
        assert len(list(group.arrays())) == 3
    first, *others = stores.values()
    assert all(other == first for other in others)


def test_every_level_is_the_halved_store_of_the_one_before(tmp_path):
    group = write(open_noise(resolution=30), tmp_path / "a.zarr", levels=4)
    for level in range(3):
        finer, coarser = (group[str(n)][:] for n in (level, level + 1))
        np.testing.assert_array_equal(coarser, halve_block(finer))
        assert coarser.shape[2:] == tuple(-(-s // 2) for s in finer.shape[2:])


def test_only_blocks_of_sections_are_written(tmp_path):
    ds = open_noise(chunks=100)
    group = write(ds, tmp_path / "a.zarr")
    pyramid = plan_pyramid(ds)
    chunks = tmp_path / "a.zarr" / "0" / "c"
    files = [path.relative_to(chunks) for path in chunks.rglob("*") if path.is_file()]
    written = {tuple(map(int, file.parts)) for file in files}
    assert 0 < len(written) < len(set(pyramid.blocks(0)))
    assert written <= set(pyramid.blocks(0))
    for block in pyramid.blocks(0):
        if block not in written:
            assert (group["0"].get_block_selection(block) == 255).all()


# Metadata


def transformations(group, level):
    attributes = dict(group.attrs)
    multiscale = attributes.get("ome", attributes)["multiscales"][0]
    scale, translation = multiscale["datasets"][level]["coordinateTransformations"]
    assert (scale["type"], translation["type"]) == ("scale", "translation")
    return np.array(scale["scale"]), np.array(translation["translation"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("anchor", ["center", "edge"])
def test_translations_are_the_centres_of_first_pixels(tmp_path, version, anchor):
    ds = open_noise(anchor=anchor).sel(y=slice(1000, None), x=slice(2000, None, 2))
    group = write(ds, tmp_path / "a.zarr", ome_version=version, levels=4, step=25)
    y, x = ds.y.values, ds.x.values
    for level in range(4):
        scale, translation = transformations(group, level)
        n = 2**level
        np.testing.assert_allclose(translation[2:], [y[:n].mean(), x[:n].mean()], rtol=1e-12)
        np.testing.assert_allclose(scale, [1, 25, 50 * n, 100 * n])
        assert translation[0] == 0


@pytest.mark.parametrize("resolution", [0.1, 0.35, 1, 7, 25])
@pytest.mark.parametrize("anchor", ["center", "edge"])
def test_pixel_sizes_are_round_numbers(resolution, anchor):
    axis = find_axis(open_noise(resolution=resolution, anchor=anchor, chunks=8000), "x")
    assert axis.step == resolution
    assert axis.first == (resolution / 2 if anchor == "center" else 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_sections_keep_their_exact_place_and_their_tilt(tmp_path, version):
    ds = open_noise()
    group = write(ds, tmp_path / "a.zarr", ome_version=version)
    own = group.attrs["atldld_xr"]
    scale, translation = transformations(group, 0)
    for index, section in enumerate(own["sections"]):
        assert section["position"] == float(ds.coronal[index])
        assert section["section_image_id"] == FIRST_IMAGE_ID + index
        for name in ("tilt_y", "tilt_x", "detection_y", "detection_x", "tier", "section_number"):
            assert section[name] == ds[name].values[index]
        assert section["plane_position"] == pytest.approx(
            translation[1] + scale[1] * section["plane"]
        )
        pixels = np.moveaxis(ds.image[index].values, -1, 0)
        np.testing.assert_array_equal(group["0"][:, section["plane"]], pixels)
    assert own["attributes"] == json.loads(json.dumps(ds.attrs))
    assert "Allen Institute" in own["attributes"]["references"]


def test_channels_and_the_plane_shown_first():
    ds = open_noise(expression="intensity")
    pyramid = plan_pyramid(ds)
    shown = group_attributes(ds, pyramid)["ome"]["omero"]
    assert [c["color"] for c in shown["channels"]] == ["FF0000", "00FF00", "0000FF"]
    assert shown["channels"][0]["window"] == {"min": 0, "max": 255, "start": 0, "end": 255}
    assert shown["rdefs"]["defaultZ"] == pyramid.planes.places[1]
    grey = group_attributes(ds, plan_pyramid(ds, variable="expression"))["ome"]["omero"]
    assert [c["label"] for c in grey["channels"]] == ["grey"]
    wide = ds.assign(image=ds.image.astype(np.uint16, keep_attrs=True))
    shown = group_attributes(wide, plan_pyramid(wide))["ome"]["omero"]
    assert shown["channels"][0]["window"]["end"] == 65535


def test_a_layout_is_files_that_hold_no_pixels():
    ds = open_noise(source=Unreadable())
    pyramid = plan_pyramid(ds, levels=2)
    for version, names in {
        "0.5": {"zarr.json", "0/zarr.json", "1/zarr.json"},
        "0.4": {".zgroup", ".zattrs", *(f"{n}/{f}" for n in "01" for f in (".zarray", ".zattrs"))},
    }.items():
        store = zarr.storage.MemoryStore()
        create(store, pyramid, group_attributes(ds, pyramid, version=version), version=version)
        assert set(store._store_dict) == names
        group = zarr.open_group(store, mode="r")
        for level in range(2):
            array = group[str(level)]
            assert (array.shape, array.chunks) == (pyramid.shape(level), pyramid.chunks(level))
            assert array.fill_value == 255
            assert array.dtype == np.uint8
        if version == "0.5":
            assert group["0"].metadata.dimension_names == ("c", "z", "y", "x")
        else:
            assert group["0"].metadata.dimension_separator == "/"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_image_may_have_any_codec_or_none(tmp_path, version):
    codec = {"0.5": GzipCodec(), "0.4": GZip()}[version]
    ds = open_noise()
    options = {"ome_version": version, "levels": 2}
    one = write(ds, tmp_path / "a.zarr", compressor=codec, **options)
    other = write(ds, tmp_path / "b.zarr", compressor=None, **options)
    assert [type(found) for found in one["0"].compressors] == [type(codec)]
    assert other["0"].compressors == ()
    np.testing.assert_array_equal(one["1"][:], other["1"][:])
