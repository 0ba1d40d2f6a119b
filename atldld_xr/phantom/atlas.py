"""The annotation of the phantom brain by formula, and its ontology. Pure.

Structures are where `anatomy` paints them, with sharp borders. Their ids, as their names, are ours:
none of Allen's is as high. Both sides are alike, but for `LANDMARK`, a structure of the left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atldld_xr.phantom.anatomy import Array, Outline, outline
from atldld_xr.phantom.brain import LANDMARK

_FIRST_ID = 910_000_100

# Acronym, name, colour, and what it is part of; in graph order.
_STRUCTURES = (
    ("root", "root", "FFFFFF", ""),
    ("grey", "grey matter", "BFDAE3", "root"),
    ("CTX", "cortex", "B0FFB8", "grey"),
    ("CTX1", "cortex, layer 1", "009E50", "CTX"),
    ("CTX2/3", "cortex, layer 2/3", "11AD83", "CTX"),
    ("CTX4", "cortex, layer 4", "188064", "CTX"),
    ("CTX5", "cortex, layer 5", "40A666", "CTX"),
    ("CTX6", "cortex, layer 6", "70FF70", "CTX"),
    ("PIR", "piriform cortex", "6ACBBA", "CTX"),
    ("OB", "olfactory bulb", "9AD2BD", "grey"),
    ("OBo", "olfactory bulb, outer layers", "82C7AE", "OB"),
    ("OBi", "olfactory bulb, core", "5DB08F", "OB"),
    ("HPF", "hippocampal formation", "7ED04B", "grey"),
    ("CA", "Ammon's horn", "66A83D", "HPF"),
    ("DG", "dentate gyrus", "7ED04C", "HPF"),
    ("STR", "striatum", "98D6F9", "grey"),
    ("CP", "caudoputamen", "8AC8F0", "STR"),
    ("LM", "landmark, on the left alone", "F0408A", "STR"),
    ("TH", "thalamus", "FF7080", "grey"),
    ("HY", "hypothalamus and base of the forebrain", "E64438", "grey"),
    ("MB", "colliculi", "FF64FF", "grey"),
    ("HB", "brain stem", "FF9B88", "grey"),
    ("CB", "cerebellum", "F0F080", "grey"),
    ("CBm", "cerebellum, outer layer", "FFFC91", "CB"),
    ("CBg", "cerebellum, inner layers", "ECE754", "CB"),
    ("fiber", "fibre tracts", "CCCCCC", "root"),
    ("cc", "corpus callosum and external capsule", "CCCCCD", "fiber"),
    ("arb", "white matter of the cerebellum", "CCCCCE", "fiber"),
    ("VS", "ventricles", "AAAAAA", "root"),
    ("VL", "lateral ventricle", "AAAAAB", "VS"),
    ("V3", "third ventricle", "AAAAAC", "VS"),
    ("V4", "aqueduct and fourth ventricle", "AAAAAD", "VS"),
)

IDS = {acronym: _FIRST_ID + n for n, (acronym, *_) in enumerate(_STRUCTURES)}
"""The label of each structure, by its acronym."""


def ontology() -> dict[str, Any]:
    """Return the ontology, as the service answers with Allen's."""
    records: dict[str, dict[str, Any]] = {}
    for order, (acronym, name, colour, above) in enumerate(_STRUCTURES):
        record: dict[str, Any] = {
            "id": IDS[acronym],
            "acronym": acronym,
            "name": name,
            "color_hex_triplet": colour,
            "graph_order": order,
            "st_level": records[above]["st_level"] + 1 if above else 0,
            "parent_structure_id": IDS.get(above),
            "children": [],
        }
        records[acronym] = record
        if above:
            records[above]["children"].append(record)
    envelope = {"success": True, "id": 0, "start_row": 0, "num_rows": 1, "total_rows": 1}
    return {**envelope, "msg": [records["root"]]}


def label(p: ArrayLike, i: ArrayLike, r: ArrayLike) -> NDArray[np.uint32]:
    """Return the id of the structure at points of the brain, 0 on the glass.

    Parameters
    ----------
    p, i, r : array_like
        Coordinates, in micrometres; they are broadcast.
    """
    points = np.broadcast_arrays(*(np.asarray(axis, np.float32) for axis in (p, i, r)))
    shape = points[0].shape
    flat = [np.ascontiguousarray(axis).ravel() for axis in points]
    place = outline(*flat)
    out = np.zeros(flat[0].size, np.uint32)
    inside = np.flatnonzero(place.depth > 0)
    if inside.size:
        within = Outline(*(field[inside] for field in place))
        p, i, r = (axis[inside] for axis in flat)
        out[inside] = _structures(p, i, r, within)
    return out.reshape(shape)


def _structures(p: Array, i: Array, r: Array, place: Outline) -> NDArray[np.uint32]:
    """Return the labels of points in the brain: of structures that overlap the last one counts."""
    x, depth, dorsal = place
    out = np.where(p < 9300, IDS["HY"], IDS["HB"]).astype(np.uint32)

    def paint(acronym: str, where: NDArray[np.bool_]) -> None:
        out[where] = IDS[acronym]

    paint("TH", _ball(p, i, x, (7400, 4350, 1200), (1300, 900, 1300)))
    paint("MB", _ball(p, i, x, (9400, 2900, 700), (1000, 1300, 1500)) & (p > 8450))
    paint("CP", _ball(p, i, x, (5200, 4000, 2250), (1700, 1500, 1250)))
    paint("LM", _ball(p, i, r, LANDMARK[:3], (LANDMARK.radius,) * 3))

    back = p - 7600
    lateral = x - 1850 - back * np.float32(0.3)
    down = i - 3000 - back * (np.float32(0.28) + back * np.float32(0.0001))
    down -= lateral * (np.float32(0.1) + lateral * np.float32(0.00017))
    paint("CA", _ball(back, down, lateral, (0, 0, 0), (1575, 670, 1780)))
    gyrus = down - (lateral + 480) * np.float32(0.1)
    paint("DG", _ball(back, gyrus, lateral, (60, 170, -480), (1100, 250, 990)))

    mantle = (p > 2880) & (p < 9820) & (dorsal < 0.4) & (x > 120)
    for acronym, shallowest, deepest in (
        ("CTX1", 0, 150),
        ("CTX2/3", 150, 450),
        ("CTX4", 450, 590),
        ("CTX5", 590, 830),
        ("CTX6", 830, 1050),
        ("cc", 1050, 1280),
    ):
        paint(acronym, mantle & (depth >= shallowest) & (depth < deepest))
    ventral = (p > 2880) & (p < 9820) & (dorsal >= 0.4) & (x > 2650)
    paint("PIR", ventral & (depth < 400))

    bulb = p <= 2880
    paint("OBo", bulb & (depth < 500))
    paint("OBi", bulb & (depth >= 500))

    cerebellum = (p > 10025) & (i < 4500)
    paint("CBm", cerebellum & (depth < 300))
    paint("CBg", cerebellum & (depth >= 300) & (depth < 900))
    paint("arb", cerebellum & (depth >= 900))

    lean = x - 650 - (i - 2700) * np.float32(0.5)
    paint("VL", (np.abs(lean) < 70) & (p > 4350) & (p < 6350) & (i > 2700) & (i < 3750))
    paint("V3", (x < 70) & (p > 6150) & (p < 8550) & (i > 3900) & (i < 6450))
    paint("V4", (x < 225) & (np.abs(i - 4750) < 92) & (p > 9350) & (p < 12150))
    return out


def _ball(a: Any, b: Any, c: Any, centre: Any, radii: Any) -> NDArray[np.bool_]:
    distance = np.zeros(a.shape, np.float32)
    for axis, middle, radius in zip((a, b, c), centre, radii, strict=True):
        distance += ((axis - np.float32(middle)) / np.float32(radius)) ** 2
    inside: NDArray[np.bool_] = distance < 1
    return inside
