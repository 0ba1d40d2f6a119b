"""Addresses of stores that cannot be, refused before anybody is asked. Pure."""

from __future__ import annotations

from atldld_xr.errors import InvalidArgumentError


def check_url(protocol: str, rest: str) -> None:
    """Refuse addresses that name no place, or hold what does not belong there."""
    user, at, _ = rest.split("/")[0].rpartition("@")
    if at and (":" in user or protocol in ("s3", "gs", "gcs", "https")):
        raise InvalidArgumentError(
            f"a {protocol}:// address holds a user name or password; give them as storage_options"
        )
    if not protocol or not rest.strip("/"):
        raise InvalidArgumentError(f"{protocol}:// names no place for a store: say what follows")
    if "?" in rest:  # and may be a signature: it is not repeated
        raise InvalidArgumentError(
            f"a {protocol}:// address has a query, which cannot be that of each file of a store; "
            "give signatures and the like as storage_options"
        )
