"""What is imported by what: nothing that does not run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from atldld_xr.testing import CORONAL_ID, AllenServer, Catalogue

HEAVY = {
    "cv2", "dask", "distributed", "fsspec", "matplotlib", "numcodecs", "numpy", "pandas",
    "requests", "rich", "simplejpeg", "urllib3", "xarray", "yaml", "zarr",
}  # fmt: skip
OPENED = "import atldld_xr\nds = atldld_xr.open_dataset('phantom', resolution=200{})\n"
XARRAY = {"numpy", "pandas", "xarray"}


def imported(*line):
    """Return what is imported by a line of arguments of Python, at any time."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *map(str, line)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 0, told
    timed = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in timed}


@pytest.fixture
def program(tmp_path):
    """Return the command line's script, as installers make it."""
    script = tmp_path / "atldld-xr"
    script.write_text("import sys\nfrom atldld_xr.cli import main\nsys.exit(main())\n")
    return script


@pytest.mark.parametrize("line", ["--help", "--version", "export --help", "cache --help"])
def test_help_needs_click_alone(program, line):
    for start in ([program], ["-m", "atldld_xr"]):
        found = imported(*start, *line.split())
        assert "click" in found
        assert not found & (HEAVY | {"multiprocessing"})


def test_what_a_data_set_is_needs_no_xarray(program):
    found = imported(program, "info", "phantom")
    assert found & HEAVY == {"numpy", "yaml"}


def test_metadata_that_are_kept_need_no_requests(program, tmp_path, monkeypatch):
    monkeypatch.setenv("ATLDLD_XR_CACHE__DIRECTORY", str(tmp_path / "cache"))
    with AllenServer() as server:
        line = ("info", CORONAL_ID, "--source", server.url)
        assert "requests" in imported(program, *line)
        assert imported(program, *line) & HEAVY == {"numpy", "yaml"}


def test_a_search_needs_no_pandas(program, tmp_path, monkeypatch):
    monkeypatch.setenv("ATLDLD_XR_CACHE__DIRECTORY", str(tmp_path / "cache"))
    with AllenServer([], catalogue=Catalogue(30)) as server:
        line = ("search", "--gene", "Pvalb", "--source", server.url)
        assert imported(program, *line) & HEAVY == {"numpy", "requests", "urllib3", "yaml"}
        assert imported(program, *line) & HEAVY == {"numpy", "yaml"}
        assert server.metadata_requests == 1


def test_a_program_that_exports_has_the_accessors(program, tmp_path):
    line = ("export", "phantom", tmp_path / "a.zarr", "--resolution", "2000", "--no-progress")
    assert "atldld_xr.accessor" in imported(program, *line)


@pytest.mark.parametrize("name", ["mine.py", "atldld-xr.py"])
def test_other_programs_have_the_accessors_at_once(tmp_path, name):
    """Whatever they are called, if they have xarray."""
    script = tmp_path / name
    first = "import xarray" if name == "atldld-xr.py" else ""
    script.write_text(f"{first}\nimport atldld_xr\nimport xarray\nxarray.Dataset().atldld\n")
    assert "atldld_xr.accessor" in imported(script)


def test_opening_without_dask_imports_none_of_its_arrays():
    found = imported("-c", OPENED.format(", chunks=None"))
    assert "dask.array" not in found
    assert not found & (HEAVY - XARRAY - {"yaml", "dask"})


@pytest.mark.parametrize("chunks", ["", ", chunks=None"])
def test_an_export_without_a_client_does_not_import_distributed(tmp_path, chunks):
    pytest.importorskip("distributed")
    code = OPENED.format(chunks) + "ds = ds.isel(coronal=slice(2))\n"
    for written, name in (("zarr", "a.zarr"), ("volume", "a.nrrd"), ("ome_zarr", "a.ome.zarr")):
        code += f"ds.atldld.to_{written}({str(tmp_path / name)!r})\n"
    found = imported("-c", code)
    assert "zarr" in found
    assert not found & {"distributed", "matplotlib", "requests", "rich", "simplejpeg", "urllib3"}
