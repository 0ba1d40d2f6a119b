"""The store of an OME-Zarr image before any pixel is in it: its group, and an array per level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.ome.metadata import Version, check_version
from atldld_xr.export.ome.pyramid import Pyramid
from atldld_xr.messages.repeating import short

Compressor = Any | Literal["auto"] | None


def create(
    store: Any,
    pyramid: Pyramid,
    attributes: Mapping[str, Any],
    *,
    version: Version = "0.5",
    compressor: Compressor = "auto",
) -> Any:
    """Create the group and the arrays of an image; nothing is computed.

    Parameters
    ----------
    store : zarr store or path
        Where. A ``zarr.storage.MemoryStore`` gives the files' bytes.
    pyramid : Pyramid
        As `plan_pyramid` returns it.
    attributes : mapping
        As `group_attributes` returns them, of the same version.
    version : {"0.5", "0.4"}
        Of OME-NGFF: 0.5 is Zarr v3, 0.4 is Zarr v2.
    compressor : codec, "auto" or None
        Of the chunks: one of ``zarr.codecs`` for 0.5, of ``numcodecs`` for 0.4.

    Returns
    -------
    zarr.Group
        With an array per level, all fill, over the axes of the pyramid.

    Raises
    ------
    InvalidArgumentError
        For another version, or a compressor that is none of its format's.
    """
    import zarr

    version = check_version(version)
    zarr_format: Literal[2, 3] = 3 if version == "0.5" else 2
    codec = _check_compressor(compressor, zarr_format)
    group = zarr.create_group(store, zarr_format=zarr_format, attributes=dict(attributes))
    for level in range(pyramid.levels):
        options: dict[str, Any] = (
            {
                "dimension_names": pyramid.names,
                "chunk_key_encoding": {"name": "default", "separator": "/"},
            }
            if zarr_format == 3
            else {
                # Zarr v2 has no names of its own; xarray reads them here.
                "attributes": {"_ARRAY_DIMENSIONS": list(pyramid.names)},
                "chunk_key_encoding": {"name": "v2", "separator": "/"},
            }
        )
        group.create_array(
            pyramid.path(level),
            shape=pyramid.turned(pyramid.shape(level)),
            chunks=pyramid.turned(pyramid.chunks(level)),
            dtype=pyramid.dtype,
            fill_value=pyramid.fill_value,
            compressors=codec,
            **options,
        )
    return group


def _check_compressor(compressor: Compressor, zarr_format: Literal[2, 3]) -> Any:
    from numcodecs import Zstd
    from numcodecs.abc import Codec
    from zarr.abc.codec import BytesBytesCodec
    from zarr.codecs import ZstdCodec

    if compressor is None:
        return None
    if isinstance(compressor, str) and compressor == "auto":  # as in a plain Zarr export
        return ZstdCodec(level=1) if zarr_format == 3 else Zstd(level=1)
    kind, module = (BytesBytesCodec, "zarr") if zarr_format == 3 else (Codec, "numcodecs")
    if not isinstance(compressor, kind):
        version = "0.5" if zarr_format == 3 else "0.4"
        raise InvalidArgumentError(
            f'compressor must be "auto", None or, for OME-NGFF {version}, a codec of {module}, not '
            f"{short(compressor)}"
        )
    return compressor
