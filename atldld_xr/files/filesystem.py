"""The file system of an address, as fsspec has it; and what is said where there is none."""

from __future__ import annotations

from typing import Any

from atldld_xr.errors import AtldldError, InvalidArgumentError, MissingExtraError, StoreError
from atldld_xr.files.proxies import with_proxy
from atldld_xr.files.storage_options import StorageOptionsRef
from atldld_xr.messages.repeating import short

_EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "http": "http", "https": "http",
}  # fmt: skip


def open_file_system(url: str, shared: StorageOptionsRef, kind: str) -> tuple[Any, str]:
    """Return the file system that an address is in, and its path there.

    Raises
    ------
    InvalidArgumentError
        If it cannot be understood.
    MissingExtraError
        If its protocol needs a package that is not installed.
    StoreError
        If the file system cannot be reached.
    """
    import fsspec

    problem: AtldldError
    try:
        fs, path = fsspec.core.url_to_fs(url, **with_proxy(url, shared.options()))
    except AtldldError:
        raise
    except ImportError as error:
        protocol = url.partition("://")[0]
        extra = _EXTRAS.get(protocol)
        advice = f'pip install "atldld-xr[{extra}]"' if extra else shared.describe(error)
        raise MissingExtraError(f"{protocol}:// needs another package: {advice}") from error
    except (TypeError, ValueError) as error:
        problem = InvalidArgumentError(
            f"{short(url)} is no path or URL of a {kind}: {shared.describe(error)}"
        )
    except Exception as error:  # some log in at once, and each fails in ways of its own
        problem = StoreError(f"{url} cannot be reached: {shared.describe(error)}")
    else:
        return fs, str(path).rstrip("/")
    raise problem
