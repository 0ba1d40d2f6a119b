"""The benchmarks run, and what they count is right; nothing here depends on time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atldld", reason="the atldld package is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return tmp_path_factory.mktemp("served")


def benchmark(out, served, *options):
    options = ["--out", str(out), "--keep", str(served), *options]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--small", *options],
        cwd=ROOT,
        env=os.environ | {"MPLCONFIGDIR": str(out / "matplotlib")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "benchmarks.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((out / "benchmarks.json").read_text()), (out / "benchmarks.md").read_text()


@pytest.fixture(scope="module")
def results(served, tmp_path_factory):
    return benchmark(tmp_path_factory.mktemp("benchmarks"), served)


@pytest.fixture(scope="module")
def cases(results):
    return results[0]["cases"]


def contestants(cases, name, start):
    return [f for who, f in cases[name]["contestants"].items() if who.startswith(start)]


def test_every_case_is_reported(results):
    found, text = results
    bars = {
        "server": 0, "coarse": 5, "told": 1, "fine": 3, "window": 4, "kernel": 2, "opening": 3,
        "graph": 3, "series": 4, "cluster": 3, "memory": 2, "wide": 12, "volume": 13,
        "connectivity": 7, "collection": 4, "serve": 3,
    }  # fmt: skip
    assert {name: len(case["checks"]) for name, case in found["cases"].items()} == bars
    for case in found["cases"].values():
        assert case["contestants"]
        assert f"## {case['name']}: {case['title']}" in text
        for check in case["checks"]:
            assert f"| {case['name']} | {check['what']} |" in text


def test_all_contestants_make_the_same(cases):
    for name in ("coarse", "told", "fine", "cluster"):
        means = [
            f["facts"]["mean"]
            for who, f in cases[name]["contestants"].items()
            if not who.startswith("mean")
        ]
        assert max(means) - min(means) < 1.5, name
        assert 100 < min(means) < 250, name


def test_requests_and_bytes(cases):
    # The same images as one fetches by hand; the metadata is a little more.
    for name in ("coarse", "told"):
        pairs = zip(*(contestants(cases, name, who) for who in ("this p", "hand l")), strict=True)
        for ours, by_hand in pairs:
            assert ours["images"] == by_hand["images"]
            assert ours["mb"] == pytest.approx(by_hand["mb"], abs=0.02)
    (ours,) = contestants(cases, "coarse", "this project, 4")
    (peer,) = contestants(cases, "coarse", "atldld")
    assert ours["images"] == peer["images"] == 4
    assert peer["mb"] > 100 * ours["mb"]
    # Each tile once, whoever needs it: of 7 x 4, less two corners beyond the reference space.
    (ours,) = contestants(cases, "fine", "this project")[:1]
    assert ours["images"] == 26
    # One section on two workers is cut in two bands: both may ask for the tiles along their border,
    # of at most two rows, where the other has not had them yet.
    images = (f["images"] for f in cases["cluster"]["contestants"].values())
    threads, cluster, *of_means = images
    assert threads == 26
    assert 26 <= cluster <= 26 + 2 * 7
    # A section is one task: no tile is fetched twice.
    assert of_means[0] == of_means[1] > 0


def test_a_window_takes_a_part(cases):
    checks = [c for c in cases["window"]["checks"] if c["unit"] == "%"]
    assert [0 < check["value"] < 60 for check in checks] == [True, True]
    (ours,) = contestants(cases, "window", "this project, chunks=None")
    assert ours["facts"]["shape"] == [126, 126, 3]
    assert ours["facts"]["spread"] > 1


def test_chunkings_agree(cases):
    (ours,) = contestants(cases, "kernel", "this project")
    assert ours["facts"]["identical"] is True
    assert ours["facts"]["spread"] > 1


def test_the_graph_is_small(cases):
    (ours,) = contestants(cases, "graph", "this project")
    assert ours["facts"]["chunks"] == 30 * 352
    assert ours["facts"]["pickled_mb"] < 15
    assert 352 < ours["facts"]["tasks"] < 2000


def test_another_checkout_runs_beside(served, tmp_path):
    before, ran = tmp_path / "before", tmp_path / "ran"
    for package in ("atldld_xr", "benchmarks"):
        shutil.copytree(ROOT / package, before / package)
    imported = before / "atldld_xr" / "__init__.py"
    imported.write_text(f"{imported.read_text()}\nopen({str(ran)!r}, 'a').write('imported ')\n")
    found, text = benchmark(tmp_path, served, "--cases", "opening", "--before", str(before))
    assert ran.read_text() == "imported " * 3  # by each of two contestants; one fills a cache first
    notes = found["cases"]["change"]["notes"]
    assert [note.split("(")[0] for note in notes] == ["opening.importing", "opening.cached"]
    assert all(note in text for note in notes)
