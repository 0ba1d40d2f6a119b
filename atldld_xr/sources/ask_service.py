"""One question to the service, and the envelope of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.errors import ServiceError
from atldld_xr.foreign_json import MOST_BYTES
from atldld_xr.sources import http


def ask_service(
    url: str, path: str, params: Mapping[str, str], name: str, *, offline: bool
) -> dict[str, Any]:
    """Return the envelope of a successful answer.

    Parameters
    ----------
    url : str
        The service's base address.
    path, params
        What is asked for there.
    name : str
        The same for messages.
    offline : bool
        Whether nothing is to be asked.

    Raises
    ------
    ServiceError
        If the service cannot be reached, or reports a failure.
    """
    address = f"{url}/{path}"
    try:
        envelope = http.get(
            address, params=params, check=rma.parse_envelope, limit=MOST_BYTES, offline=offline
        )
    except http.TransportError as error:
        # The service may say more in the body than by the status.
        said = rma.failure_message(error.body)
        raise ServiceError(f"{name}: {said + '; ' if said else ''}{error}") from error
    if envelope["success"] is not True:
        said = rma.failure_message(envelope) or "no reason given"
        raise ServiceError(f"{name}: the service reports a failure: {said} ({address})")
    return envelope
