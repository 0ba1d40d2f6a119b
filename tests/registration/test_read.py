"""Registrations from files, folders, zips and web servers; and what is refused of them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.errors import InvalidArgumentError, RegistrationError
from atldld_xr.files.file_store import FileStore
from atldld_xr.registration import places
from atldld_xr.registration.order import find_anomalies
from atldld_xr.registration.read import read_poses
from atldld_xr.registration.registration import Registration
from loopback import web_server
from quicknii import DATA, SAGITTAL, as_json, as_xml, moved, series_of

ALLEN = {image.id: allen_pose(DATA, image) for image in DATA.images}
FILE = as_json(series_of(DATA))


def test_a_file_gives_the_poses_that_it_was_written_from(tmp_path):
    for name, content in {"a.json": FILE, "b.xml": as_xml(series_of(DATA))}.items():
        (tmp_path / name).write_bytes(content)
        found = read_poses(tmp_path / name, DATA)
        assert found.poses.keys() == ALLEN.keys()
        assert found.name == f"QuickNII anchors, {name}"
        assert found.address == str(tmp_path / name)
        for image in DATA.images:
            pixels = np.array([[0, image.width, 0], [0, 0, image.height], [1.0, 1, 1]])
            there, here = (
                p.to_reference @ pixels for p in (ALLEN[image.id], found.poses[image.id])
            )
            assert np.abs(there - here).max() < 1e-7


def test_markers_are_read_and_the_name_says_so(tmp_path):
    series = series_of(DATA)
    series["slices"][2]["markers"] = [[10, 20, 12, 21], [50, 60, 49, 62]]
    (tmp_path / "a.json").write_bytes(as_json(series))
    found = read_poses(tmp_path / "a.json", DATA)
    assert found.name == "QuickNII anchors, a.json, with 2 markers"
    assert list(found.bends) == [DATA.images[2].id]
    assert found.digest != Registration(found.poses).digest
    del series["slices"][2]["width"]
    (tmp_path / "a.json").write_bytes(as_json(series))
    with pytest.raises(RegistrationError, match="no width and height"):
        read_poses(tmp_path / "a.json", DATA)


def collection(folder):
    """Write files of several data sets, by name and by what is in them."""
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / f"{DATA.id}_anchors.json").write_bytes(FILE)
    (folder / f"{SAGITTAL.id}1.json").write_bytes(b"not read")
    (folder / "README.json").write_bytes(b"not read")
    (folder / f"{DATA.id}.txt").write_bytes(b"not read")


def zipped(folder, file):
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return file


def test_a_collection_is_read_by_names_alone(tmp_path, monkeypatch):
    collection(tmp_path / "all")
    read = []
    get = FileStore.get
    monkeypatch.setattr(FileStore, "get", lambda s, k, m=None: read.append(k) or get(s, k, m))
    assert read_poses(tmp_path / "all", DATA).poses.keys() == ALLEN.keys()
    assert read == [f"sub/{DATA.id}_anchors.json"]
    file = zipped(tmp_path / "all", tmp_path / "all.zip")
    assert read_poses(file, DATA).poses == read_poses(tmp_path / "all", DATA).poses


def test_one_file_an_image_is_a_collection_too(tmp_path):
    for image, slice_ in zip(DATA.images, series_of(DATA)["slices"], strict=True):
        (tmp_path / f"{image.id}.json").write_bytes(as_json({"slices": [slice_]}))
    assert read_poses(tmp_path, DATA).poses.keys() == ALLEN.keys()


def test_where_names_do_not_tell_what_is_in_files_does(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "animal.json").write_bytes(FILE)
    (tmp_path / "all" / "other.json").write_bytes(b"not a registration")
    assert read_poses(tmp_path / "all", DATA).poses.keys() == ALLEN.keys()
    file = zipped(tmp_path / "all", tmp_path / "a.zip")
    assert read_poses(file, DATA).poses.keys() == ALLEN.keys()
    (tmp_path / "all" / "third.json").write_bytes(f'{{"mentions": {DATA.id}}}'.encode())
    with pytest.raises(RegistrationError, match=r"third\.json is no registration: .* no list"):
        read_poses(tmp_path / "all", DATA)


def test_what_would_take_too_long_to_look_through_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "_MOST_LOOKED_AT", 3)
    for k in range(4):
        (tmp_path / f"{k}.json").write_bytes(FILE)
    with pytest.raises(RegistrationError, match="has 4 files and none has an id of the data set"):
        read_poses(tmp_path, DATA)


def test_a_zip_that_unfolds_to_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(5):
            archive.writestr(f"{DATA.id}_{k}.json", b" " * 20_000_000)
    assert (tmp_path / "a.zip").stat().st_size < 200_000
    with pytest.raises(RegistrationError, match="more than 64 MB of files of one data set"):
        read_poses(tmp_path / "a.zip", DATA)


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_unpacking_nothing_bounds_is_refused(tmp_path, way):
    """A few hundred bytes of these unfold to gigabytes at once."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", way) as archive:
        archive.writestr(f"{DATA.id}.json", FILE)
    with pytest.raises(RegistrationError, match="packed in a way that is not taken"):
        read_poses(tmp_path / "a.zip", DATA)


def test_a_zip_of_more_files_than_can_be_listed_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for k in range(2000):
            archive.writestr(f"{k}.png", b"")
        archive.writestr(f"{DATA.id}.json", FILE)
    assert read_poses(tmp_path / "a.zip", DATA).poses.keys() == ALLEN.keys()
    monkeypatch.setattr(places, "_MOST_LISTED", 90_000)
    with pytest.raises(RegistrationError, match="more files than can be listed"):
        read_poses(tmp_path / "a.zip", DATA)


def test_names_in_a_zip_are_told_in_short(tmp_path):
    name = f"{'n' * 60_000}{DATA.id}.json"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"{}")
    with pytest.raises(RegistrationError, match="it has no list of slices") as caught:
        read_poses(tmp_path / "a.zip", DATA)
    assert len(str(caught.value)) < 400
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"nnnn", b"mmmm", 1))
    with pytest.raises(RegistrationError, match="cannot be read as a zip") as caught:
        read_poses(tmp_path / "a.zip", DATA)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_zip_whose_names_are_no_text_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"\u00e9{DATA.id}.json", FILE)
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace("\u00e9".encode(), b"\xff\xfe"))
    with pytest.raises(RegistrationError, match="cannot be read as a zip"):
        read_poses(tmp_path / "a.zip", DATA)


def test_addresses(tmp_path):
    store = FileStore("memory://registrations")
    store.put("a.json", FILE)
    for key in (f"set/{DATA.id}.json", "set/other.json"):
        store.put(key, FILE)
    for place in ("memory://registrations/a.json", "memory://registrations/set"):
        assert read_poses(place, DATA).poses.keys() == ALLEN.keys()
    collection(tmp_path / "all")
    store.put("all.zip", zipped(tmp_path / "all", tmp_path / "all.zip").read_bytes())
    assert read_poses("memory://registrations/all.zip", DATA).poses.keys() == ALLEN.keys()
    for missing in ("memory://registrations/b.json", "memory://registrations/b.zip"):
        with pytest.raises(RegistrationError, match="there is no file"):
            read_poses(missing, DATA)


def test_a_web_server_is_asked_for_the_data_sets_file(tmp_path):
    pytest.importorskip("aiohttp")
    (tmp_path / f"{DATA.id}.json").write_bytes(FILE)
    with web_server(tmp_path) as (url, _):
        for place in (url, f"{url}/", f"{url}/{DATA.id}.json"):
            assert read_poses(place, DATA).poses.keys() == ALLEN.keys()
        with pytest.raises(RegistrationError, match=r"has no file .*\.json or \.xml"):
            read_poses(f"{url}/nowhere", DATA)


@pytest.mark.parametrize("name", ["none.json", "none", "none.zip"])
def test_what_is_not_there_is_told(tmp_path, name):
    with pytest.raises(RegistrationError, match=f"there is no file.*{name}"):
        read_poses(tmp_path / name, DATA)


def test_damaged_zips_are_told(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK" + b"\0" * 100)
    with pytest.raises(RegistrationError, match="cannot be read as a zip"):
        read_poses(tmp_path / "a.zip", DATA)
    collection(tmp_path / "all")
    whole = bytearray(zipped(tmp_path / "all", tmp_path / "b.zip").read_bytes())
    at = whole.index(FILE[:200])
    whole[at : at + 50] = b"x" * 50
    (tmp_path / "b.zip").write_bytes(whole)
    with pytest.raises(RegistrationError, match="cannot be read as a zip"):
        read_poses(tmp_path / "b.zip", DATA)


def test_what_has_nothing_of_the_data_set_says_what_it_has(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(as_json(series_of(SAGITTAL)))
    count = len(SAGITTAL.images)
    with pytest.raises(RegistrationError, match=f"{count} anchored slices, and none with the id"):
        read_poses(file, DATA)
    bare = series_of(DATA)
    for slice_ in bare["slices"]:
        del slice_["anchoring"]
    file.write_bytes(as_json(bare))
    with pytest.raises(RegistrationError, match="17 slices, none of them anchored"):
        read_poses(file, DATA)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegistrationError, match=f"has no file of section data set {DATA.id}"):
        read_poses(tmp_path / "empty", DATA)


def anomalous(kind):
    """Return poses of which two neighbours cannot be."""
    a, b = DATA.images[6], DATA.images[7]
    poses = dict(ALLEN)
    if kind == "lie at one place":
        poses[b.id] = SectionPose((*ALLEN[b.id].matrix[:2], ALLEN[a.id].matrix[2]))
    elif kind == "lie in the wrong order":
        spacing = (b.section_number - a.section_number) * DATA.section_thickness
        poses[a.id] = moved(ALLEN[a.id], shift=1.4 * spacing * ALLEN[a.id].across[:3])
    elif kind == "cross within the brain":
        poses[a.id] = moved(ALLEN[a.id], degrees=12)
    else:
        flipped = np.array(ALLEN[a.id].matrix)
        flipped[0] = -flipped[0]
        flipped[0, 3] += a.width - 1
        poses[a.id] = SectionPose.of(flipped)
    return poses


KINDS = ["lie at one place", "lie in the wrong order", "cross within the brain", "the mirror image"]


@pytest.mark.parametrize("kind", KINDS)
def test_sections_that_cannot_lie_so_are_refused_unless_told(tmp_path, kind):
    file = tmp_path / "a.json"
    file.write_bytes(as_json(series_of(DATA, anomalous(kind))))
    with pytest.raises(RegistrationError, match=f"{DATA.images[6].id}.* {kind}.*anomalies="):
        read_poses(file, DATA)
    kept = read_poses(file, DATA, anomalies="keep")
    assert kind in kept.attributes(DATA)["registration_anomalies"]
    with pytest.raises(InvalidArgumentError, match="anomalies is"):
        read_poses(file, DATA, anomalies=True)


def test_allens_own_have_none_and_a_lost_section_matters_not():
    for data in (DATA, SAGITTAL):
        poses = {image.id: allen_pose(data, image) for image in data.images}
        assert find_anomalies(data, poses) == []
        some = dict(list(poses.items())[::3])
        assert find_anomalies(data, some) == []


def test_a_registration_by_hand():
    one, two = (image.id for image in DATA.images[1:3])
    found = Registration({one: np.asarray(ALLEN[one].matrix), 5: ALLEN[two]}, "by hand")
    assert found.of_dataset(DATA) == {one: ALLEN[one]}
    assert found.attributes(DATA)["registration"] == (
        "by hand: 1 of 17 sections; the others lie by Allen's own affine"
    )
    assert found.digest == Registration({5: ALLEN[two], one: ALLEN[one]}).digest
    assert found.digest != Registration({5: ALLEN[two]}).digest
    with pytest.raises(RegistrationError, match="no section image of section data set"):
        found.of_dataset(SAGITTAL)
    for bad, told in [
        (3, "has poses by section image ids, not 3"),
        ({"a": ALLEN[one]}, "'a' is no section image's id"),
        ({1: [1, 2]}, r"section image 1: a pose is a SectionPose or its \(3, 4\) matrix"),
        ({1: "abc"}, "section image 1: a pose"),
    ]:
        with pytest.raises(InvalidArgumentError, match=told):
            Registration(bad)


def test_a_file_is_not_read_beyond_what_one_can_have(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "MOST_BYTES", 1000)
    (tmp_path / "a.json").write_bytes(FILE)
    with pytest.raises(RegistrationError, match="no JSON"):
        read_poses(tmp_path / "a.json", DATA)
