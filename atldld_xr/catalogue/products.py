"""The atlases that data sets are in, as users name them."""

from __future__ import annotations

import re
from collections.abc import Callable

from atldld_xr.catalogue.ask import Catalogue
from atldld_xr.catalogue.patterns import Pattern, parse_pattern
from atldld_xr.catalogue.values import id_of, number_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_ROWS = 500


def parse_product(product: object) -> Pattern | int:
    """Return the product that is meant: by id, or by name or abbreviation, with wildcards.

    Raises
    ------
    InvalidArgumentError
        If it is neither.
    """
    number = number_of(product)
    if number is not None:
        return id_of(number, "product: an id")
    return parse_pattern(product, "product")


def product_ids(catalogue: Catalogue, wanted: Pattern | int) -> list[int]:
    """Return the ids of the products that are meant; capital letters are as small ones.

    A name that is none's means those that have it among their words.

    Raises
    ------
    InvalidArgumentError
        If there is none; names those that there are.
    ServiceError
        If the catalogue cannot be had.
    """
    if isinstance(wanted, int):
        return [wanted]
    called: dict[int, list[str]] = {}
    for record in catalogue.records("Product", "products", criteria="", rows=_ROWS):
        texts = [record.get(key) for key in ("abbreviation", "name")]
        called[record["id"]] = [text for text in texts if isinstance(text, str) and text]

    def those(is_meant: Callable[[str], object]) -> list[int]:
        return [number for number, texts in called.items() if any(map(is_meant, texts))]

    if wanted.is_name:
        (name,) = wanted.pieces
        found = those(lambda text: text.casefold() == name.casefold())
        found = found or those(re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE).search)
    else:
        found = those(wanted.matches)
    if not found:
        known = ", ".join(texts[0] for texts in called.values() if texts)
        raise InvalidArgumentError(
            f"there is no product {short('*'.join(wanted.pieces))} at {catalogue.source.url}; "
            f"there are: {known}"
        )
    return found
