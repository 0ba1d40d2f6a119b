"""Volumes: what independent readers find in them, and where they say it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("nibabel")
pytest.importorskip("nrrd")
pytest.importorskip("tifffile")

import nibabel
import nrrd
import tifffile

import atldld_xr
from atldld_xr.testing import value
from atldld_xr.volumes import save_volume
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource
from volumes import AFFINE_TO_PIR, READERS, build, made_up

SUFFIXES = list(READERS)


@pytest.fixture(scope="module")
def phantoms():
    """Give both phantoms at 100 um, drawn once."""
    names = ("phantom", "phantom-sagittal")
    return {
        n: atldld_xr.open_dataset(n, resolution=100)[["image"]].compute().chunk() for n in names
    }


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 50} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_every_format_holds_the_same_volume(tmp_path, phantoms, name, suffix):
    ds = phantoms[name]
    path = tmp_path / f"a{suffix}"
    report = save_volume(ds, path)
    values, listing = READERS[suffix](path)
    expected, planes = build(ds, 100)
    assert values.shape == (132, 80, 114, 3)
    np.testing.assert_array_equal(values, expected)
    assert listing["valid_planes"] == planes == list(report.valid_planes)
    beside = json.loads((tmp_path / f"a{suffix}.json").read_text())
    assert beside["valid_planes"] == planes
    assert [e["section_image_id"] for e in beside["planes"]] == ds.section_image_id.values.tolist()
    dim = ds.image.dims[0]
    for fact, there in (("coordinate", dim), ("tilt_y", "tilt_y"), ("tilt_x", "tilt_x")):
        assert [entry[fact] for entry in beside["planes"]] == ds[there].values.tolist()
        assert [entry[fact] for entry in listing["planes"]] == ds[there].values.tolist()
    assert (report.shape, report.nbytes) == ((132, 80, 114), 132 * 80 * 114 * 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, f"{path.name}.json"]


def test_the_shape_of_allens_own_volumes_at_25_um(tmp_path):
    ds = made_up(np.random.default_rng(0), coordinates=[6000.0], resolution=25.0)
    save_volume(ds, tmp_path / "a.nrrd")
    header = nrrd.read_header(str(tmp_path / "a.nrrd"))
    assert header["dimension"] == header["space dimension"] == 3
    assert header["sizes"].tolist() == [528, 320, 456]
    assert header["space directions"].tolist() == np.diag([25.0, 25, 25]).tolist()
    assert header["space origin"].tolist() == [0, 0, 0]
    assert header["kinds"] == ["domain"] * 3
    assert (header["type"], header["encoding"], header["endian"]) == (
        "unsigned char",
        "gzip",
        "little",
    )
    assert "space" not in header


def to_pir(path):
    """Return the affine from indices to (p, i, r) in micrometres that an anatomical header says."""
    if path.name.endswith(".nrrd"):
        header = nrrd.read_header(str(path))
        assert header["space"] == "left-posterior-superior"
        assert header["space units"] == ["mm"] * 3
        directions = header["space directions"][-3:]
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = directions.T, header["space origin"]
        affine = np.diag([-1.0, -1, 1, 1]) @ affine
    else:
        image = nibabel.load(path)
        affine = image.affine
        assert nibabel.aff2axcodes(affine) == ("P", "I", "R")
        assert image.header.get_xyzt_units()[0] == "mm"
        for found, code in (
            image.header.get_qform(coded=True),
            image.header.get_sform(coded=True),
        ):
            assert code == 2
            np.testing.assert_allclose(found, affine, atol=1e-6)
    return 1000 * AFFINE_TO_PIR[:3] @ affine


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_what_is_seen_is_where_the_header_says(tmp_path, name, suffix):
    """Voxels, by the header's affine and the list's tilts, beside the phantom's formula."""
    ds = atldld_xr.open_dataset(name, interpolation="nearest", tier=0, resolution=50)
    ds = ds.isel({ds.image.dims[0]: [1, 4]})
    path = tmp_path / f"a{suffix}"
    header = {"header": "anatomical"} if suffix == ".nrrd" else {}
    save_volume(ds, path, step=200, **header)
    values, listing = READERS[suffix](path)
    affine, axis = to_pir(path), 0 if name == "phantom" else 2
    rng = np.random.default_rng(3)
    for entry in listing["planes"]:
        index = [rng.integers(20, size - 20, 3000) for size in values.shape[:3]]
        index[axis] = np.full(3000, entry["plane"])
        point = affine @ np.stack([*index, np.ones(3000)])
        # The plane is the nearest one; where the section truly is, the list says.
        assert abs(point[axis, 0] - entry["coordinate"]) <= 100
        y, x = point[1], point[2 - axis]
        point[axis] = (
            entry["coordinate"]
            + entry["tilt_y"] * (y - entry["detection_y"])
            + entry["tilt_x"] * (x - entry["detection_x"])
        )
        if ds.attrs["reference_space_id"] != ds.attrs["registered_to_reference_space_id"]:
            point[2] = 11350 - point[2]  # the formula's coordinates are the brain's own
        seen = values[tuple(index)].astype(float)
        error = np.abs(seen - value(*point)).mean(axis=1)
        # A point is up to half a source pixel away, 2 um, and cells are 20 um across.
        assert np.median(error) < 3, entry
        # 100 um off it would be another picture.
        point[1] += 100
        assert np.abs(seen - value(*point)).mean() > 1.5 * error.mean()


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_itk_and_nibabel_agree_that_the_origin_is_a_voxels_centre(tmp_path, suffix):
    ds = made_up(np.random.default_rng(0), coordinates=[1500.0])
    header = {"header": "anatomical"} if suffix == ".nrrd" else {}
    save_volume(ds, tmp_path / f"a{suffix}", step=400, **header)
    affine = to_pir(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(affine[:, 3], [200, 500, 500], rtol=1e-6)
    np.testing.assert_allclose(affine[:, :3], np.diag([400, 1000, 1000]), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("channel", [None, "grey"])
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_voxcell_reads_it_like_allens(tmp_path, phantoms, name, channel):
    voxcell = pytest.importorskip("voxcell")
    ds = phantoms[name]
    report = save_volume(ds, tmp_path / "a.nrrd", channel=channel)
    volume = voxcell.VoxelData.load_nrrd(tmp_path / "a.nrrd")
    assert volume.shape == (132, 80, 114)
    assert volume.payload_shape == (() if channel else (3,))
    assert volume.voxel_dimensions.tolist() == [100, 100, 100]
    assert volume.offset.tolist() == [0, 0, 0]
    dim, plane = ds.image.dims[0], report.valid_planes[3]
    # Positions are those of the reference space, and the voxel at one is the section's pixel.
    y, x = ds.y.values[[20, 40, 60]], ds.x.values[[30, 50, 70]]
    across = np.full(3, (plane + 0.5) * 100)
    points = np.stack([across, y, x] if dim == "coronal" else [x, y, across], axis=-1)
    section = ds.image.isel({dim: 3}).sel(y=xr.DataArray(y), x=xr.DataArray(x)).values
    found = volume.lookup(points)
    if channel:
        luminosity = section @ [0.299, 0.587, 0.114]
        np.testing.assert_allclose(found, luminosity, atol=0.51)
    else:
        np.testing.assert_array_equal(found, section)


def test_the_list_is_one_of_atlas_densities_realigned_slices(tmp_path):
    """There, slices of the first axis are looked up by the data set's id."""
    ds = open_noise()
    save_volume(ds, tmp_path / "a.nrrd")
    slices = json.loads((tmp_path / "a.nrrd.json").read_text())
    assert slices[str(DATASET_ID)] == (ds.coronal.values // 50).astype(int).tolist()
    sagittal = open_noise(source=NoiseSource(plane=2))
    save_volume(sagittal, tmp_path / "b.nrrd")
    assert str(DATASET_ID) not in json.loads((tmp_path / "b.nrrd.json").read_text())


def test_tiff_is_a_stack_with_its_scale(tmp_path, phantoms):
    save_volume(phantoms["phantom-sagittal"], tmp_path / "a.ome.tif", step=300)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert file.is_ome
        assert not file.is_bigtiff
        assert file.series[0].axes == "ZYXS"
        assert len(file.pages) == 132  # coronal planes, also of sagittal sections
        page = file.pages[0]
        assert page.photometric.name == "RGB"
        scales = (page.tags[f"{axis}Resolution"].value for axis in "XY")
        across, down = (pixels / units for pixels, units in scales)
        assert (across, down) == pytest.approx((10_000 / 300, 10_000 / 100), rel=1e-6)
        assert page.resolutionunit.name == "CENTIMETER"
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    sizes = [pixels[f"PhysicalSize{axis}"] for axis in "XYZ"]
    assert sizes == [300, 100, 100]
    assert {pixels[f"PhysicalSize{axis}Unit"] for axis in "XYZ"} == {"µm"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_channels(tmp_path, suffix):
    ds = open_noise(resolution=200)
    whole, _ = build(ds, 200)
    for number, channel in enumerate(("red", "green", "blue")):
        path = tmp_path / f"{channel}{suffix}"
        save_volume(ds, path, channel=channel)
        np.testing.assert_array_equal(READERS[suffix](path)[0], whole[..., number])
    save_volume(ds, tmp_path / f"grey{suffix}", channel="grey")
    found, listing = READERS[suffix](tmp_path / f"grey{suffix}")
    np.testing.assert_allclose(found, whole @ [0.299, 0.587, 0.114], atol=0.51)
    assert (listing["channel"], listing["fill_value"]) == ("grey", 255)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_intensity_of_expression_is_a_number_a_voxel(tmp_path, suffix):
    ds = open_noise(expression="intensity")
    path = tmp_path / f"a{suffix}"
    save_volume(ds, path, variable="expression")
    values, listing = READERS[suffix](path)
    expected, _ = build(ds, 50, "expression")
    assert values.ndim == 3
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values, expected)
    assert (listing["variable"], listing["fill_value"]) == ("expression", 0)


@pytest.mark.parametrize("chunks", [None, 60, {"y": 33, "x": -1}])
def test_the_volume_never_depends_on_the_chunks(tmp_path, chunks):
    save_volume(open_noise(), tmp_path / "a.nrrd")
    save_volume(open_noise(chunks=chunks), tmp_path / "b.nrrd")
    assert (tmp_path / "a.nrrd").read_bytes() == (tmp_path / "b.nrrd").read_bytes()


@pytest.mark.usefixtures("cluster")
def test_on_a_cluster_of_processes(tmp_path):
    save_volume(open_noise(), tmp_path / "a.nrrd")
    np.testing.assert_array_equal(
        READERS[".nrrd"](tmp_path / "a.nrrd")[0], build(open_noise(), 50)[0]
    )


def test_from_a_store(tmp_path):
    ds = open_noise(on_error="fill")
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    save_volume(ds, tmp_path / "a.nrrd")
    save_volume(xr.open_zarr(tmp_path / "a.zarr"), tmp_path / "b.nrrd")
    assert (tmp_path / "a.nrrd").read_bytes() == (tmp_path / "b.nrrd").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("plane", [1, 2])
def test_a_failed_section_is_no_valid_plane(tmp_path, plane, suffix):
    source = NoiseSource(plane=plane, bad=((FIRST_IMAGE_ID + 1, 0, 0),))
    ds = open_noise(source=source, on_error="fill")
    report = save_volume(ds, tmp_path / f"a{suffix}")
    (failure,) = report.failures
    assert failure["section_image_id"] == FIRST_IMAGE_ID + 1
    assert "made to fail" in failure["reason"]
    values, listing = READERS[suffix](tmp_path / f"a{suffix}")
    assert [entry["valid"] for entry in listing["planes"]] == [True, False, True]
    assert len(listing["valid_planes"]) == len(report.valid_planes) == 2
    beside = json.loads((tmp_path / f"a{suffix}.json").read_text())
    assert [bool(entry["reason"]) for entry in beside["planes"]] == [False, True, False]
    # It may have been read in part: none of that is in the volume.
    blank = ds.copy()
    dim = ds.image.dims[0]
    blank["image"] = ds.image.where(ds.status == 0, 255).assign_attrs(fill_value=255)
    np.testing.assert_array_equal(values, build(blank.transpose(dim, "y", "x", ...), 50)[0])


def test_sections_outside_the_space_are_listed_as_such(tmp_path):
    ds = made_up(np.random.default_rng(0), coordinates=[-10.0, 500.0, 13250.0])
    report = save_volume(ds, tmp_path / "a.nrrd")
    assert report.valid_planes == (0,)
    assert [f["section_image_id"] for f in report.failures] == [100, 102]
    assert {f["reason"] for f in report.failures} == {"outside the volume"}
    listing = READERS[".nrrd"](tmp_path / "a.nrrd")[1]
    assert [entry["plane"] for entry in listing["planes"]] == [None, 0, None]


def test_a_window_is_put_in_its_place(tmp_path):
    ds = open_noise()
    part = {"y": slice(20, 130), "x": slice(50, 51), "coronal": slice(1, 3)}
    save_volume(ds.isel(part), tmp_path / "a.nrrd")
    outside = ds.copy(deep=True)
    outside["image"] = xr.full_like(ds.image, 255).compute()
    outside.image[{d: s for d, s in part.items()}] = ds.image.isel(part).compute()
    np.testing.assert_array_equal(READERS[".nrrd"](tmp_path / "a.nrrd")[0], build(outside, 50)[0])


def test_sections_in_any_order(tmp_path):
    ds = open_noise()
    save_volume(ds, tmp_path / "a.nrrd")
    save_volume(ds.isel(coronal=[2, 0, 1]).transpose("channel", "x", ...), tmp_path / "b.nrrd")
    assert (tmp_path / "a.nrrd").read_bytes() == (tmp_path / "b.nrrd").read_bytes()


def test_nifti_takes_its_second_version_for_long_axes(tmp_path):
    ds = made_up(np.random.default_rng(0), coordinates=[1.1, 13199.1], resolution=4000.0)
    save_volume(ds, tmp_path / "a.nii.gz", step=0.25)
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert isinstance(image, nibabel.Nifti2Image)
    np.testing.assert_array_equal(READERS[".nii.gz"](tmp_path / "a.nii.gz")[0], build(ds, 0.25)[0])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    data=st.data(),
    suffix=st.sampled_from(SUFFIXES),
    dim=st.sampled_from(["coronal", "sagittal"]),
    resolution=st.sampled_from([700.0, 1000.0, 1333.3]),
    step=st.sampled_from([370.0, 1000.0, 2200.0]),
)
def test_any_dataset_comes_back(tmp_path_factory, data, suffix, dim, resolution, step):
    extent = 13200 if dim == "coronal" else 11400
    planes = data.draw(
        st.lists(st.integers(0, int(extent / step) - 1), min_size=1, max_size=6, unique=True)
    )
    within = data.draw(st.lists(st.floats(0.01, 0.99), min_size=6, max_size=6))
    coordinates = [(k + f) * step for k, f in zip(planes, within, strict=False)]
    kinds = [(np.uint8, 3), (np.uint8, 0), (bool, 0), (np.int8, 0), (np.uint16, 0), (np.int16, 0)]
    kinds += [(np.uint32, 0), (np.int32, 0), (np.float32, 0), (np.float64, 0)]
    dtype, channels = data.draw(st.sampled_from(kinds))
    ds = made_up(
        np.random.default_rng(0),
        dim=dim,
        coordinates=coordinates,
        resolution=resolution,
        dtype=dtype,
        channels=channels,
    )
    path = tmp_path_factory.mktemp("volume") / f"a{suffix}"
    options = {} if suffix.startswith(".nii") else {"compress": data.draw(st.booleans())}
    report = save_volume(ds, path, step=step, **options)
    values, listing = READERS[suffix](path)
    expected, found = build(ds, step)
    assert values.dtype == expected.dtype
    np.testing.assert_array_equal(values.reshape(expected.shape), expected)
    assert sorted(found) == list(report.valid_planes) == listing["valid_planes"]
    assert listing["shape"] == list(expected.shape[:3])
