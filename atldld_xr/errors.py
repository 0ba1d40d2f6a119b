"""The errors of this package: each says what happened, to which section, and what to do."""

from __future__ import annotations

from atldld_xr.messages.words import one_line

_MOST = 2000  # characters of a message, whatever was put in it


class AtldldError(Exception):
    """Base of every error that this package raises on purpose; its message is one short line."""

    def __str__(self) -> str:
        return one_line(super().__str__(), _MOST)


class InvalidArgumentError(AtldldError, ValueError):
    """An argument has a value that cannot work; nothing was fetched or written."""


class DatasetNotFoundError(AtldldError, LookupError):
    """The source has no section data set, section image or gene of that id or name."""


class MetadataError(AtldldError, ValueError):
    """The source's record of a data set misses or garbles what registration needs."""


class RegistrationError(AtldldError, ValueError):
    """A registration from a file cannot be that of the data set, or is none; or is refused."""


class ServiceError(AtldldError):
    """The service could not be reached, or answered that it failed."""


class SectionImageError(AtldldError):
    """The pixels of one section image could not be had.

    Parameters
    ----------
    section_image_id : int
        The image.
    address : str
        Where it was asked for.
    reason : str
        What went wrong, in words.
    """

    def __init__(self, section_image_id: int, address: str, reason: str) -> None:
        # All three in args, so that the error crosses process borders whole.
        reason = one_line(reason)  # it is kept in Datasets and stores
        super().__init__(section_image_id, address, reason)
        self.section_image_id = section_image_id
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"section image {self.section_image_id}: {self.reason} ({self.address}). "
            'on_error="fill" leaves such a section at the fill value and records it.'
        )


class CacheError(AtldldError, OSError):
    """The cache directory cannot be used."""


class StoreError(AtldldError):
    """A Zarr store or a mirror cannot be written or read as asked."""


class MissingExtraError(AtldldError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


class SourceFallbackWarning(UserWarning):
    """Under ``source="auto"`` a source before the one that was taken failed; the message is why."""


class UnknownSettingWarning(UserWarning):
    """Something is set that is no setting, such as one that is misspelt; it changes nothing."""
