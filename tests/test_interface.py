"""The package's names: which are shown, where they lead, and that each command has one."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import atldld_xr
from atldld_xr.cli import cli, selection
from commandline import COARSE, run, tree
from kills import SMALL

FUNCTIONS = [
    "compare_grid",
    "genes",
    "info",
    "mirror",
    "open_annotation",
    "open_cache",
    "open_dataset",
    "open_datasets",
    "open_grid",
    "open_image",
    "open_volume",
    "open_volumes",
    "preview",
    "read_registration",
    "search",
    "search_images",
    "status",
    "structures",
    "summarize",
    "verify",
]
NAMES = [*FUNCTIONS, "BucketSource", "DisplacementField", "MirrorSource"]
NAMES = sorted([*NAMES, "ReferenceSpace", "Registration", "__version__", "config", "errors"])

# What the README, the docs and the notebooks of this version and the one before name.
DOCUMENTED = [
    "cluster.ship",
    "config.set",
    "errors.AtldldError",
    "export.status",
    "export.verify",
    "serve.AllenStore",
    "sources.mirror.MirrorSource",
    "sync.DatasetDownloader",
    "sync.get_parallel_transform",
    "sync.pir_to_xy",
    "testing.AllenServer",
    "utils.get_experiment_list_from_gene",
    "utils.get_image",
    "open_dataset",
]


def test_the_names_that_are_shown():
    assert dir(atldld_xr) == sorted(atldld_xr.__all__) == NAMES
    values = {name: getattr(atldld_xr, name) for name in NAMES}
    assert dir(atldld_xr) == NAMES  # also once all are imported, and modules beside them
    assert {n for n, v in values.items() if inspect.isfunction(v)} == set(FUNCTIONS)
    everything: dict[str, object] = {}
    exec("from atldld_xr import *", everything)
    assert {name: everything[name] for name in NAMES} == values


def test_a_name_stays_what_it_is_whatever_is_imported():
    before = {name: getattr(atldld_xr, name) for name in NAMES}
    package = Path(atldld_xr.__file__).parent
    modules = {path.stem for path in package.iterdir()} - {"errors"}
    assert not modules & set(NAMES), "importing the module would take the name"
    assert {name: getattr(atldld_xr, name) for name in NAMES} == before


def test_what_is_not_there_is_told_with_what_is_near():
    with pytest.raises(AttributeError, match="no attribute 'open_datset'") as caught:
        atldld_xr.open_datset  # noqa: B018
    assert caught.value.name == "open_datset"
    assert not hasattr(atldld_xr, "_ipython_display_")
    assert not hasattr(atldld_xr.sources, "nowhere")


@pytest.fixture(scope="module")
def fresh():
    """Evaluate each documented name in a process of its own, in which nothing else was imported."""
    script = (
        "import os, sys, xarray\n"  # which takes all the time; the children start from here
        "for name in sys.argv[1:]:\n"
        "    if os.fork() == 0:\n"
        "        import atldld_xr\n"
        "        try:\n"
        "            told = repr(eval('atldld_xr.' + name))\n"
        "        except Exception as error:\n"
        "            told = f'{type(error).__name__}: {error}'\n"
        "        print(name, told, flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *DOCUMENTED], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_name_needs_no_other_import(fresh, name):
    if name.startswith("cluster"):
        pytest.importorskip("distributed")
    assert fresh[name].startswith(("<function", "<class", "<bound method")), fresh[name]


def test_importing_the_package_takes_as_long_as_importing_xarray():
    script = (
        "import sys, xarray; before = set(sys.modules)\n"
        "import atldld_xr; print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    added = set(done.stdout.split())
    assert "atldld_xr.accessor" in added, done.stderr
    others = {name for name in added if name.split(".")[0] != "atldld_xr"}
    assert others <= sys.stdlib_module_names
    slow = {"datasets.open_dataset", "export", "files", "plots", "settings", "sources"}
    assert all(find_spec(f"atldld_xr.{name}") for name in slow)
    assert not added & {f"atldld_xr.{name}" for name in slow}


def test_type_checkers_see_the_same_names_in_the_same_places():
    parsed = ast.parse(Path(atldld_xr.__file__).read_text())
    (branch,) = [node for node in parsed.body if isinstance(node, ast.If)]
    seen = {
        name.name: node.module
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    shown = {name: place for name, place in seen.items() if name in NAMES and name != "errors"}
    assert shown == atldld_xr._PLACES
    modules = {name for name, place in seen.items() if place == "atldld_xr"}
    assert {name.split(".")[0] for name in DOCUMENTED} <= modules | set(NAMES)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_typed_documented_and_take_keywords_after_the_first(name):
    function = getattr(atldld_xr, name)
    signature = inspect.signature(function)
    first, *others = [*signature.parameters.values(), None]
    kinds = {p.kind for p in others if p}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}
    annotations = [p.annotation for p in (first, *others) if p] + [signature.return_annotation]
    assert inspect.Signature.empty not in annotations
    text = inspect.getdoc(function)
    for heading in ("Parameters", "Returns", "Raises") if first else ("Returns", "Raises"):
        assert f"\n{heading}\n{'-' * len(heading)}\n" in text, heading
    for parameter in signature.parameters:
        assert parameter in text


@pytest.mark.parametrize(
    ("command", "function", "its_own", "the_functions"),
    [
        ("info", "info", {"as_json"}, set()),
        ("search", "search", {"as_json", "as_csv", "images"}, set()),
        ("search", "search_images", {"as_json", "as_csv", "images"}, set()),
        ("genes", "genes", {"as_json", "as_csv"}, set()),
        ("image", "open_image", {"out"}, {"chunks"}),
        ("preview", "preview", {"out"}, set()),
        ("mirror", "mirror", {"as_json", "report", *selection.NAMES}, set()),
        ("status", "status", {"as_json", "store"}, {"url"}),
        ("verify", "verify", {"as_json", "store"}, {"url"}),
    ],
)
def test_commands_and_functions_have_the_same_arguments_and_defaults(
    command, function, its_own, the_functions
):
    parameters = inspect.signature(getattr(atldld_xr, function)).parameters
    options = {p.name: p for p in cli.commands[command].params}
    assert set(options) - set(parameters) == its_own
    assert set(parameters) - set(options) == the_functions
    line = ["5", "a.png"][: (command != "search") + (command in ("image", "preview", "mirror"))]
    defaults = cli.commands[command].make_context(command, line).params
    for name in set(options) & set(parameters):
        if parameters[name].default is not inspect.Parameter.empty:
            flag = "storage-option" if name == "storage_options" else name.replace("_", "-")
            assert options[name].opts == [f"--{flag}"]
            if name not in ("progress", "views"):  # on a terminal; of one word
                assert (defaults[name] or None) == (parameters[name].default or None), name


# What the functions do is what the commands do


def test_info_is_what_the_command_prints():
    found = atldld_xr.info("phantom", resolution=100, expression=True)
    text = run("info", "phantom", *COARSE, "--expression").stdout
    assert f"{found}\n" == text
    assert repr(found) == str(found)
    opened = atldld_xr.open_dataset("phantom", resolution=100, expression=True)
    assert list(found.coordinates) == opened.coronal.values.tolist()
    assert found.shape == (opened.sizes["y"], opened.sizes["x"])
    assert found.costs.output_bytes == sum(
        v.nbytes for n, v in opened.data_vars.items() if v.ndim > 1 and n != "displacement"
    )


NAMED = [SMALL.id, f"allen:{SMALL.id}", [str(SMALL.id)], iter([SMALL.id])]


@pytest.mark.parametrize("datasets", NAMED, ids=["id", "name", "list", "iterator"])
def test_mirror_copies_what_the_command_copies(server, tmp_path, datasets):
    summary = atldld_xr.mirror(datasets, path=tmp_path / "a", tiers=[3], source=server.url)
    run("mirror", SMALL.id, tmp_path / "b", "--tiers", "3", "--source", server.url)
    images = atldld_xr.info(SMALL.id, source=server.url).sections
    assert (summary.files, summary.skipped) == (1 + images, 0)
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b")
    assert [*first.values()] == [*second.values()]
    # What tier a resolution needs: pixels of 40 um, halved 3 times, are the largest within 320 um.
    again = atldld_xr.mirror(SMALL.id, path=tmp_path / "a", resolution=320, source=server.url)
    assert again.skipped == images


@pytest.mark.parametrize(
    "arguments",
    [{"tiers": "43"}, {"tiers": 3}, {"tiers": []}, {"tiers": [1.5]}, {"views": ["mask"]}],
)
def test_what_mirror_refuses_it_writes_nothing_of(tmp_path, arguments):
    with pytest.raises(atldld_xr.errors.InvalidArgumentError, match=r"(tiers|views) are"):
        atldld_xr.mirror("phantom", path=tmp_path / "a", **arguments)
    with pytest.raises(atldld_xr.errors.InvalidArgumentError, match="no data set"):
        atldld_xr.mirror([], path=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_status_and_verify_are_those_of_export(tmp_path):
    store = tmp_path / "a.zarr"
    opened = atldld_xr.open_dataset("phantom", resolution=400)[["coverage"]]
    opened.isel(coronal=[0]).atldld.to_zarr(store)
    assert atldld_xr.status(store).state == "complete"
    assert atldld_xr.verify(store).problems == ()
    assert atldld_xr.status is atldld_xr.export.status


def test_the_cache_can_be_looked_at_and_cleared(shared):
    atldld_xr.open_dataset(SMALL.id, source=shared.url)
    cache = atldld_xr.open_cache()
    size = cache.size()
    assert [entry.size for entry in cache.entries()] == [size]
    assert cache.clear() == (1, size)
    assert cache.entries() == []
