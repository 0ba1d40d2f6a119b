"""Allen Brain Atlas section data sets as lazy xarray arrays, registered to the reference space."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from atldld_xr._version import __version__

__all__ = [
    "BucketSource",
    "DisplacementField",
    "MirrorSource",
    "ReferenceSpace",
    "Registration",
    "__version__",
    "compare_grid",
    "config",
    "errors",
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

if TYPE_CHECKING:
    from atldld_xr import accessor as accessor
    from atldld_xr import cluster as cluster
    from atldld_xr import errors
    from atldld_xr import export as export
    from atldld_xr import serve as serve
    from atldld_xr import sources as sources
    from atldld_xr import sync as sync
    from atldld_xr import testing as testing
    from atldld_xr import utils as utils
    from atldld_xr.allen.reference import ReferenceSpace
    from atldld_xr.analysis.compare_grid import compare_grid
    from atldld_xr.catalogue.search import genes, search, search_images
    from atldld_xr.collection.summarize import summarize
    from atldld_xr.datasets.copy_mirror import mirror
    from atldld_xr.datasets.info import info
    from atldld_xr.datasets.open_annotation import open_annotation
    from atldld_xr.datasets.open_dataset import open_dataset
    from atldld_xr.datasets.open_datasets import open_datasets
    from atldld_xr.datasets.open_grid import open_grid
    from atldld_xr.datasets.open_image import open_image
    from atldld_xr.datasets.open_structures import structures
    from atldld_xr.datasets.open_volume import open_volume
    from atldld_xr.datasets.open_volumes import open_volumes
    from atldld_xr.datasets.read_registration import read_registration
    from atldld_xr.plots.preview import preview
    from atldld_xr.registration.registration import Registration
    from atldld_xr.settings import config
    from atldld_xr.sources.bucket import BucketSource
    from atldld_xr.sources.cache import open_cache
    from atldld_xr.sources.mirror import MirrorSource
    from atldld_xr.store.status import status
    from atldld_xr.store.verify import verify
    from atldld_xr.warp.displacement_field import DisplacementField
else:  # type checkers would take any name for one of this module's
    _PLACES = {
        "BucketSource": "atldld_xr.sources.bucket",
        "DisplacementField": "atldld_xr.warp.displacement_field",
        "MirrorSource": "atldld_xr.sources.mirror",
        "compare_grid": "atldld_xr.analysis.compare_grid",
        "ReferenceSpace": "atldld_xr.allen.reference",
        "Registration": "atldld_xr.registration.registration",
        "config": "atldld_xr.settings",
        "genes": "atldld_xr.catalogue.search",
        "info": "atldld_xr.datasets.info",
        "mirror": "atldld_xr.datasets.copy_mirror",
        "open_annotation": "atldld_xr.datasets.open_annotation",
        "open_cache": "atldld_xr.sources.cache",
        "open_dataset": "atldld_xr.datasets.open_dataset",
        "open_datasets": "atldld_xr.datasets.open_datasets",
        "open_grid": "atldld_xr.datasets.open_grid",
        "open_image": "atldld_xr.datasets.open_image",
        "open_volume": "atldld_xr.datasets.open_volume",
        "open_volumes": "atldld_xr.datasets.open_volumes",
        "preview": "atldld_xr.plots.preview",
        "read_registration": "atldld_xr.datasets.read_registration",
        "search": "atldld_xr.catalogue.search",
        "search_images": "atldld_xr.catalogue.search",
        "status": "atldld_xr.store.status",
        "structures": "atldld_xr.datasets.open_structures",
        "summarize": "atldld_xr.collection.summarize",
        "verify": "atldld_xr.store.verify",
    }

    def __getattr__(name):
        from atldld_xr.names import find_name

        found = globals()[name] = find_name(__name__, name, _PLACES)
        return found


def _register_accessors() -> None:
    """Register .atldld of Datasets and DataArrays, if xarray is there or may be wanted.

    The command line says much without it, and imports it where it needs it.
    """
    if "xarray" in sys.modules or not _is_program():
        import atldld_xr.accessor  # noqa: F401  # importing it registers them


def _is_program() -> bool:
    if sys.argv[:1] == ["-m"]:  # until Python has found what it is to run
        return ("-m", __name__) in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
    return os.path.splitext(os.path.basename("".join(sys.argv[:1])))[0] == "atldld-xr"


def __dir__() -> list[str]:
    return sorted(__all__)


_register_accessors()
