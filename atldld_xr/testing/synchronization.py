"""The service's own conversions between section images and the reference space. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.transforms import pir_to_xy, xy_to_pir
from atldld_xr.errors import MetadataError


def image_to_reference(
    datasets: Mapping[int, Mapping[str, Any]], image_id: int, x: float, y: float
) -> dict[str, Any] | None:
    """Return the ``msg`` for a section image's pixel, or None if the image is not registered.

    Parameters
    ----------
    datasets : mapping of int to mapping
        Data sets' records, by id.
    image_id : int
        The section image.
    x, y : float
        Full-resolution pixels.
    """
    for record in datasets.values():
        if all(image["id"] != image_id for image in record["section_images"]):
            continue
        dataset = parse_dataset(record)
        for image in dataset.images:
            if image.id == image_id:
                z = image.section_number * dataset.section_thickness
                p, i, r = xy_to_pir([[x], [y], [z]], image.tsv, dataset.tvr)[:, 0].tolist()
                return {"image_to_reference": {"x": p, "y": i, "z": r}}
    return None


def reference_to_image(
    datasets: Mapping[int, Mapping[str, Any]],
    space: int,
    point: tuple[float, float, float],
    dataset_ids: Sequence[int],
) -> list[dict[str, Any]]:
    """Return the ``msg`` for a point: the nearest section of each data set, and where on it.

    Parameters
    ----------
    datasets : mapping of int to mapping
        Data sets' records, by id.
    space : int
        The point's reference space; data sets in another one are left out.
    point : tuple of float
        (p, i, r), in micrometres.
    dataset_ids : sequence of int
        The data sets asked for.
    """
    out = []
    for dataset_id in dataset_ids:
        if dataset_id not in datasets:
            continue
        try:
            dataset = parse_dataset(datasets[dataset_id])
        except MetadataError:
            continue
        if dataset.reference_space_id != space:
            continue
        coords = [[c] for c in point]
        place = float(pir_to_xy(coords, dataset.images[0].tvs, dataset.trv)[2, 0])
        wanted = place / dataset.section_thickness
        image = min(dataset.images, key=lambda i: abs(i.section_number - wanted))
        x, y, _ = pir_to_xy(coords, image.tvs, dataset.trv)[:, 0].tolist()
        found = {"section_data_set_id": dataset.id, "section_image_id": image.id}
        found |= {"section_number": image.section_number, "x": x, "y": y}
        out.append({"image_sync": found})
    return out
