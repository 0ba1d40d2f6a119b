"""Ids of data sets and section images: one rule wherever one is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.ids import check_id, parse_dataset_name
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.load_plan import Block
from atldld_xr.plots.preview import preview
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.sync import DatasetDownloader
from atldld_xr.utils import get_image
from commandline import IMAGE, SMALL, run

FORMS = {
    "int": int,
    "NumPy's int": np.int64,
    "digits": str,
    "NumPy's str": np.str_,
    "a name": "allen:{}".format,
    "an address": "allen://{}".format,
    "an array": np.array,
    "an array of text": lambda number: np.array(str(number)),
    "a DataArray": xr.DataArray,
}
WRONG = [0, -1, 2**63, 10**5000, True, 1.5, None, "", "x", " 1", "1\n", "٣", "allen:", "allen:///1"]
WRONG += ["allen:allen:1", "ALLEN:1", b"1", [1], np.array([1]), np.array(1.0), np.array(True)]


def ways(source: Any) -> dict[str, tuple[int, Any]]:
    """Return, by name, what takes the id of something, and the id."""

    def mirrored(dataset: Any) -> Any:
        return save_mirror([dataset], "memory://ids", source=source, tiers=[3])

    def no_dask(dataset: Any) -> Any:
        return xr.open_dataset(dataset, engine="atldld", chunks=None, source=source)

    return {
        "open_dataset": (SMALL.id, lambda i: atldld_xr.open_dataset(i, source=source)),
        "the engine": (SMALL.id, no_dask),
        "open_image": (IMAGE.id, lambda i: atldld_xr.open_image(i, source=source)),
        "get_image": (IMAGE.id, lambda i: get_image(i, downsample=3, source=source)),
        "DatasetDownloader": (SMALL.id, lambda i: DatasetDownloader(i, source=source)),
        "preview": (SMALL.id, lambda i: preview(i, source=source)),
        "save_mirror": (SMALL.id, mirrored),
        "a source's data set": (SMALL.id, source.dataset_record),
        "a source's image": (IMAGE.id, source.image_record),
    }


WAYS = list(ways(MirrorSource("memory://ids")))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("number", [1, 71717640, 2**63 - 1])
def test_one_rule(form: Any, number: int) -> None:
    for read in (parse_dataset_name, lambda value: check_id(value, "section image")):
        found = read(form(number))
        assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
@pytest.mark.parametrize("form", ["{}", "allen:{}", "allen://{}"])
def test_built_in_data_sets_by_name(name: str, form: str) -> None:
    ds = atldld_xr.open_dataset(form.format(name), resolution=100)
    assert ds.attrs["section_data_set_id"] == parse_dataset_name(name)


@pytest.mark.parametrize("way", WAYS)
def test_every_form_is_taken_everywhere(server: Any, way: str) -> None:
    number, take = ways(ApiSource(server.url))[way]
    for form in FORMS.values():
        take(form(number))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_id_is_refused_everywhere(server: Any, way: str) -> None:
    _, take = ways(ApiSource(server.url))[way]
    for wrong in WRONG:
        with pytest.raises(InvalidArgumentError) as caught:
            take(wrong)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
    assert server.log == []


def test_the_ids_of_a_dataset_open_its_images(server: Any) -> None:
    ds = atldld_xr.open_dataset(SMALL.id, source=server.url)
    dim = ds.image.dims[0]
    chosen = ds.section_image_id.sel({dim: 0}, method="nearest")
    opened = atldld_xr.open_image(chosen, tier=3, source=server.url)
    assert opened.attrs["section_image_id"] == int(chosen)
    with pytest.raises(InvalidArgumentError, match="positive whole number") as caught:
        atldld_xr.open_image(ds.section_image_id, source=server.url)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200


def test_every_form_on_the_command_line(server: Any, tmp_path: Any) -> None:
    out = tmp_path / "a.png"
    for form in ("{}", "allen:{}", "allen://{}"):
        run("info", form.format(SMALL.id), "--source", server.url)
        run("image", form.format(IMAGE.id), out, "--tier", 3, "--source", server.url)


@pytest.mark.parametrize("parallel", [False, True])
def test_open_mfdataset(server: Any, parallel: bool) -> None:
    ids = [SMALL.id, SMALL.id]
    options = {"engine": "atldld", "source": server.url, "resolution": 100, "parallel": parallel}
    nested = {"combine": "nested", "concat_dim": "data_set"}
    ds = xr.open_mfdataset([f"allen://{i}" for i in ids], **options, **nested)
    one = atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=100)
    assert ds.sizes["data_set"] == 2
    for at in range(2):
        np.testing.assert_array_equal(ds.image.isel(data_set=at), one.image)


def test_a_name_that_open_mfdataset_made_a_path_of_says_how_to_write_it() -> None:
    for name, better in (("allen:5", "5"), ("5", "5"), ("phantom", "phantom")):
        with pytest.raises(InvalidArgumentError) as caught:
            xr.open_mfdataset([name], engine="atldld")
        assert f"'allen://{better}'" in str(caught.value)
    with pytest.raises(InvalidArgumentError, match=r"no section data set: .* 'phantom-sagittal'$"):
        atldld_xr.open_dataset("../a/b")


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint32, np.int64])
def test_blocks_of_numpys_integers(kind: Any) -> None:
    block = Block(*(kind(n) for n in (3, 120, 5, 127)))
    assert block == Block(3, 120, 5, 127)
    assert {type(n) for n in (block.y0, block.y1, block.x0, block.x1)} == {int}
    assert list(block.split(50)) == list(Block(3, 120, 5, 127).split(50))
    with pytest.raises(TypeError):
        Block(0.5, 1, 0, 1)  # type: ignore[arg-type]


def test_what_is_repeated_is_short_and_on_one_line() -> None:
    large = xr.DataArray(np.zeros((50, 50)))
    for value in ("x" * 10**6, "a\nb", 10**5000, -(10**5000), large, [[1] * 99] * 99, "\ud800"):
        assert len(short(value).encode()) <= 120
        assert "\n" not in short(value)


@pytest.mark.parametrize("value", [0, -5, 1.5, "allen:x", None, True, (1, 2)])
def test_what_is_short_is_repeated_as_it_is(value: Any) -> None:
    assert short(value) == repr(value)
