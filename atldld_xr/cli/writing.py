"""Options that say how a data set is written, and which formats have them."""

from __future__ import annotations

from typing import Any

import click

from atldld_xr.cli import options
from atldld_xr.export.formats import OPTIONS, format_of
from atldld_xr.messages.repeating import short

_LEVELS = {"zstd": (-131072, 22), "lz4": (0, 9)}
"""The least and the most of each compressor."""


def _read_compressor(value: str) -> str | tuple[str, int]:
    if value in ("auto", "none"):
        return value
    name, _, level = value.partition(":")
    try:
        low, high = _LEVELS[name]
        number = int(level or 1)
    except (LookupError, ValueError):
        raise click.BadParameter(
            f"{short(value)} is none of auto, none, zstd and lz4, with a level as in zstd:3"
        ) from None
    if not low <= number <= high:
        raise click.BadParameter(f"{short(value)}: levels of {name} are from {low} to {high}")
    return name, number


def _read_inner_chunks(value: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in value.split(","))
    try:
        sizes = {name.strip(): int(size) for name, _, size in pairs}
    except ValueError:
        raise click.BadParameter(f"{short(value)} is no list of sizes, as y=256,x=256") from None
    if min(sizes.values()) < 1:
        raise click.BadParameter(f"{short(value)}: sizes are at least 1")
    return sizes


def _read_names(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    return [name.strip() for value in values for name in value.split(",")] or None


_OPTIONS = (
    click.option(
        "--format",
        type=click.Choice(list(OPTIONS)),
        help="Zarr v3 as xarray has it, OME-Zarr for viewers, or a volume of the reference space. "
        "[default: as URL ends: .nrrd, .nii, .nii.gz, .tif and .tiff are volumes, .ome.zarr is "
        "ome-zarr, all else zarr]",
    ),
    click.option(
        "--mode",
        type=click.Choice(["w-", "w"]),
        default="w-",
        help="Refuse to write where something else exists, or replace it.",
    ),
    options.storage_options,
    click.option(
        "--compressor",
        type=_read_compressor,
        default="auto",
        metavar="auto|none|zstd:N|lz4:N",
        help="How chunks are compressed, and at which level: of zstd from -131072 to 22, of lz4 "
        "from 0 to 9.",
    ),
    click.option(
        "--inner-chunks",
        type=_read_inner_chunks,
        metavar="y=N,x=N",
        help="Pieces within each block that readers can take one by one (Zarr's shards).",
    ),
    click.option(
        "--variables",
        multiple=True,
        callback=_read_names,
        metavar="NAME,NAME",
        help="Which data variables Zarr gets: image, coverage, ... Repeatable. [default: all but "
        "displacement, which the coordinate affine says in six numbers]",
    ),
    click.option(
        "--retry-failed",
        is_flag=True,
        help="Try sections again that an earlier run left at the fill value.",
    ),
    click.option(
        "--ome-version", type=click.Choice(["0.5", "0.4"]), default="0.5", help="Of OME-NGFF."
    ),
    click.option(
        "--variable", default="image", help="What a volume or an OME-Zarr image is made of."
    ),
    click.option(
        "--step",
        type=float,
        metavar="UM",
        help="From plane to plane. [default: that of the sections where they lie in equal steps, "
        "else their thickness; in volumes the resolution]",
    ),
    click.option("--levels", type=int, metavar="N", help="Of the OME-Zarr pyramid."),
    click.option(
        "--axes",
        type=click.Choice(["zyx", "pir"]),
        default="zyx",
        help="Of OME-Zarr: planes, rows and columns, or those of the reference space, in which "
        "coronal and sagittal data sets overlay each other.",
    ),
    click.option(
        "--channel",
        type=click.Choice(["grey", "red", "green", "blue"]),
        help="What to make of colours in a volume.",
    ),
    click.option(
        "--header",
        type=click.Choice(["allen", "anatomical"]),
        help="Of NRRD: as Allen's volumes have it, or with anatomical directions.",
    ),
    click.option("--compress/--no-compress", default=None, help="Whether a volume is compressed."),
)
NAMES = {name for names in OPTIONS.values() for name in names}


def writing(command: options.F) -> options.F:
    """Add all options of all formats; the command gets them under their names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_format(url: str, given: str | None) -> str:
    """Return the format to write: the one that is asked for, or that the address names."""
    named = format_of(url)
    if given is None:
        return named or "zarr"
    if given.endswith("zarr") and named and not named.endswith("zarr"):
        raise click.UsageError(
            f"{short(url)} ends as a {named} volume does, and --format {given} writes a folder: "
            "leave --format out, or give the folder another name"
        )
    return given


def writing_of(ctx: click.Context, format: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a format's writer; those of other formats are refused."""
    for name in sorted(NAMES - set(OPTIONS[format])):
        if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            flag = (
                "--storage-option" if name == "storage_options" else f"--{name.replace('_', '-')}"
            )
            raise click.UsageError(f"{flag} is no option of --format {format}")
    writing = {name: arguments[name] for name in OPTIONS[format]}
    if "compressor" in writing:
        zarr_format = 2 if writing.get("ome_version") == "0.4" else 3
        writing["compressor"] = _codec(writing["compressor"], zarr_format)
    return writing


def _codec(value: str | tuple[str, int], zarr_format: int) -> Any:
    """Return what writers take for a compressor's name and level."""
    if isinstance(value, str):
        return None if value == "none" else value
    name, level = value
    if zarr_format == 2:
        from numcodecs import Blosc, Zstd

        return Zstd(level) if name == "zstd" else Blosc("lz4", level, shuffle=Blosc.BITSHUFFLE)
    from zarr.codecs import BloscCodec, ZstdCodec

    if name == "zstd":
        return ZstdCodec(level=level)
    # Zarr itself sets the size of an item, by each array's dtype.
    return BloscCodec(cname="lz4", clevel=level, shuffle="bitshuffle")
