"""Small collections of data sets behind a service, and what a table of them should say."""

from __future__ import annotations

import numpy as np

import atldld_xr
from atldld_xr.testing.genes import gene_phantoms

SIX = gene_phantoms(6, count=3)
IDS = [phantom.id for phantom in SIX]
MEASURES = (
    "sum_pixels",
    "sum_expressing_pixels",
    "sum_pixel_intensity",
    "sum_expressing_pixel_intensity",
    "expression_density",
    "expression_intensity",
    "expression_energy",
    "coverage",
    "volume_mm3",
    "n_sections",
)


def files(path):
    """Return the files under a path, but for a lease."""
    return {
        str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()
    }


def loop(ids, atlas, *, opening, **asked):
    """Return the summaries of data sets, one after the other."""
    labels = atldld_xr.open_annotation(source=atlas, chunks=None)
    ontology = atldld_xr.structures(source=atlas)
    out = []
    for number in ids:
        ds = atldld_xr.open_dataset(number, expression="intensity", **opening)
        out.append(ds.atldld.structure_summary(labels, ontology=ontology, **asked))
    return out


def same_rows(table, summaries):
    """Check that a table says what summaries do, to the bit."""
    for row, summary in enumerate(summaries):
        mine = table.isel(dataset=row)
        for name in MEASURES:
            here, there = mine[name].values, summary[name].values
            assert here.dtype == there.dtype
            assert here.tobytes() == there.tobytes(), name
        reasons = np.array(table["reason"].attrs["reasons"][:-1])
        assert (reasons[mine["reason"].values] == summary["reason"].values).all()
        assert mine["gene"] == summary.attrs["genes"][0]
        assert mine["sections_counted"] == summary.attrs["sections_counted"]
