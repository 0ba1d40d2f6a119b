"""Allen's products that a data set is in, and what follows from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CONNECTIVITY = frozenset({5, 8, 31})
"""Allen's products of projections: their images have a mask of what was segmented as axons."""


def product_ids(record: object) -> tuple[int, ...]:
    """Return the ids of the products that a record includes; none of one that includes none."""
    products = record.get("products") if isinstance(record, Mapping) else None
    listed: list[Any] = products if isinstance(products, list) else []
    ids = [entry.get("id") for entry in listed if isinstance(entry, Mapping)]
    return tuple(sorted({n for n in ids if isinstance(n, int) and not isinstance(n, bool)}))


def has_projections(record: Mapping[str, Any], products: Sequence[int]) -> bool:
    """Return whether a data set's images have projection masks.

    No field tells it of an image. It is taken of all images of a data set that is in one of Allen's
    products of connectivity, or of which an image names a ``projection_function``.
    """
    images = record.get("section_images")
    listed: Sequence[Any] = images if isinstance(images, list) else ()
    return bool(CONNECTIVITY.intersection(products)) or any(
        isinstance(image, Mapping) and image.get("projection_function") for image in listed
    )
