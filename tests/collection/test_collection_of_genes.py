"""Many genes on two workers, with a third of the requests failing: a complete table."""

from __future__ import annotations

import xarray as xr

import atldld_xr
from atldld_xr.testing import AllenServer, Faults
from atldld_xr.testing.atlas import write_atlas
from atldld_xr.testing.genes import gene_phantoms
from collection import files


def test_genes_on_two_workers_with_a_third_of_requests_failing(tmp_path, request):
    genes = gene_phantoms(12, count=3)
    atlas = write_atlas(tmp_path / "atlas")
    with AllenServer(phantoms=genes) as server:
        found = atldld_xr.search(gene="Gene*", source=server.url)
        asked = {"source": server.url, "annotation": atlas, "resolution": 100}
        atldld_xr.summarize(found, url=tmp_path / "calm.zarr", **asked)
        server.faults = Faults(rate=1 / 3)
        request.getfixturevalue("cluster")
        report = atldld_xr.summarize(found, url=tmp_path / "a.zarr", **asked)
        assert (report.counted, report.failures) == (12, ())
        table = xr.open_zarr(tmp_path / "a.zarr")
        assert set(table.gene.values) == {phantom.gene for phantom in genes}
        assert files(tmp_path / "a.zarr") == files(tmp_path / "calm.zarr")
        server.clear_log()
        assert atldld_xr.summarize(found, url=tmp_path / "a.zarr", **asked).skipped == 12
        assert server.image_requests == 0
