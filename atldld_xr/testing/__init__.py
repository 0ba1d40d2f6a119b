"""For tests, demonstrations and offline work: a brain by formula, and an Allen service of it.

It imports the phantom and what records mean; no room but the package itself imports it.
"""

from atldld_xr.phantom.brain import (
    BEADS,
    LANDMARK,
    Bead,
    Landmark,
    expression,
    expression_colour,
    value,
)
from atldld_xr.phantom.developing import (
    DEVELOPING,
    DEVELOPING_ID,
    DEVELOPING_SPACE,
    DevelopingPhantom,
)
from atldld_xr.phantom.drawing import draw, draw_values
from atldld_xr.phantom.fluorescent import (
    FLUORESCENT,
    FLUORESCENT_ID,
    LARGE,
    FluorescentPhantom,
    window,
)
from atldld_xr.phantom.phantom import (
    CORONAL,
    CORONAL_ID,
    PHANTOMS,
    SAGITTAL,
    SAGITTAL_ID,
    Phantom,
    find_phantom_image,
)
from atldld_xr.testing.catalogue import Catalogue
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.genes import GenePhantom, gene_phantoms
from atldld_xr.testing.network import Network
from atldld_xr.testing.quirks import Quirks
from atldld_xr.testing.server import AllenServer, Request

__all__ = [
    "BEADS",
    "CORONAL",
    "CORONAL_ID",
    "DEVELOPING",
    "DEVELOPING_ID",
    "DEVELOPING_SPACE",
    "FLUORESCENT",
    "FLUORESCENT_ID",
    "LANDMARK",
    "LARGE",
    "PHANTOMS",
    "SAGITTAL",
    "SAGITTAL_ID",
    "AllenServer",
    "Bead",
    "Catalogue",
    "DevelopingPhantom",
    "Faults",
    "FluorescentPhantom",
    "GenePhantom",
    "Landmark",
    "Network",
    "Phantom",
    "Quirks",
    "Request",
    "draw",
    "draw_values",
    "expression",
    "expression_colour",
    "find_phantom_image",
    "gene_phantoms",
    "value",
    "window",
]
