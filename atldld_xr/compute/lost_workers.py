"""Clusters that are lost: what distributed raises of itself, as errors that say what to do.

Importing it does not import distributed: what it raises is only there where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from atldld_xr.errors import AtldldError, StoreError

_GO_ON = "The same call goes on where this one ended"
_CLOSED = (
    "the connection to the cluster's scheduler was lost: it has ended, or is out of reach, or the "
    f"client was closed. {_GO_ON}, with a client that is connected"
)


@contextmanager
def cluster_errors(client: Any = None) -> Iterator[None]:
    """Turn what is raised of a cluster, and not of what is computed there, into a StoreError.

    Parameters
    ----------
    client : distributed.Client, optional
        If it is closed by then, that is what is wrong, whatever is raised of it.
    """
    try:
        yield
    except AtldldError:
        raise
    except Exception as error:
        is_closed = client is not None and client.status in ("closing", "closed")
        said = _CLOSED if is_closed else what_was_lost(error)
        if said is None:
            raise
        raise StoreError(said) from error


def what_was_lost(error: BaseException) -> str | None:
    """Return what is wrong with a cluster, in words; None for an error of something else."""
    if "distributed" not in sys.modules:
        return None
    from concurrent.futures import CancelledError

    from distributed import CancelledError as Cancelled
    from distributed.client import ClosedClientError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

    match error:
        case KilledWorker():
            return f"{deaths(error)} workers died: see their logs; they may need more memory"
        case CancelledError() | Cancelled():
            return (
                "the cluster was restarted, or its client closed, while it worked on this export. "
                f"{_GO_ON}, on a cluster that is left alone"
            )
        case ClosedClientError() | CommClosedError():
            return _CLOSED
        case NoWorkerError() | NoValidWorkerError():
            return f"the cluster had no workers for this export. {_GO_ON} when there are some"
        case ImportError() | AttributeError() if _is_of_loading(error):
            return (
                f"the workers cannot load what they are sent: {error}. They need this package and "
                "those that it needs, in the versions that are here"
            )
    return None


def deaths(error: Any) -> int:
    """Return how many workers died before distributed gave a task up."""
    return int(error.allowed_failures) + 1


def _is_of_loading(error: BaseException) -> bool:
    """Return whether an error came of unpickling: no code of a task is in its traceback."""
    at, names = error.__traceback__, set()
    while at is not None:
        names.add(at.tb_frame.f_globals.get("__name__", ""))
        at = at.tb_next
    return any(name.startswith("distributed.protocol") for name in names)
