"""Options that several commands share, named as the arguments of `atldld_xr.open_dataset`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click import shell_completion

from atldld_xr.messages.repeating import short

F = TypeVar("F", bound=Callable[..., Any])

EXPRESSIONS = ("true", "intensity")


class ExpressionCommand(click.Command):
    """A command on whose line ``--expression`` alone is the same as ``--expression=true``.

    So is ``--projection``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse a line; click would take an argument that follows the option for its value."""
        end = args.index("--") if "--" in args else len(args)
        for place, arg in enumerate(args[:end]):
            if arg in _ALONE and args[place + 1 : place + 2] not in _AS_ARGUMENTS:
                args[place] += "=true"
        return super().parse_args(ctx, args)


_ALONE = ("--expression", "--projection")
_AS_ARGUMENTS = [[value] for value in EXPRESSIONS]


def _read_expression(_: click.Context, __: click.Parameter, value: str | None) -> bool | str:
    return value if value == "intensity" else value is not None


def _read_range(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    """Return six numbers, or two by channels' names, as ``EGFP=0:987,red=0:923``."""
    if value is None:
        return None
    try:
        if "=" not in value:
            return tuple(int(number) for number in value.split(","))
        pairs = [part.rpartition("=") for part in value.split(",")]
        return {name.strip(): [int(end) for end in ends.split(":")] for name, _, ends in pairs}
    except ValueError:
        raise click.BadParameter(
            f"{short(value)} is neither six numbers, as 0,923,0,987,0,4095, nor channels with two, "
            "as green=0:987"
        ) from None


def _read_tier(value: str | int) -> int | str:
    return value if value == "auto" else _whole(value)


def _read_chunks(value: str) -> Any:
    if "=" not in value:
        return _read_tier(value)
    pairs = (part.partition("=") for part in value.split(","))
    return {name.strip(): _read_tier(side.strip()) for name, _, side in pairs}


def _whole(value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f'{short(value)} is neither "auto" nor a whole number') from None


def _read_storage_options(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any] | None:
    options = {}
    for pair in values:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter("it is given as KEY=VALUE")  # not repeated: it may be secret
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options or None


def _show_progress(_: click.Context, __: click.Parameter, value: bool | None) -> bool:
    return sys.stderr.isatty() if value is None else value


def complete_path(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[shell_completion.CompletionItem]:
    """Let the shell complete the names of files and folders."""
    return [shell_completion.CompletionItem(incomplete, type="file")]


expression = click.option(
    "--expression",
    type=click.Choice(EXPRESSIONS),
    callback=_read_expression,
    help="Add Allen's expression masks, as the service colours them or as one grey channel.",
)
projection = click.option(
    "--projection",
    type=click.Choice(EXPRESSIONS),
    callback=_read_expression,
    help="Add Allen's projection masks, which images of connectivity have, in the same two ways.",
)
range_ = click.option(
    "--range",
    callback=_read_range,
    metavar="N,N,N,N,N,N|NAME=N:N,...",
    help="Values of fluorescence, of 16 bits, that become black and white, in red, green and blue. "
    "[default: as the data set's record says]",
)
source = click.option(
    "--source",
    metavar="ADDRESS",
    shell_complete=complete_path,
    help="Address of a service (http.../api/v2), path or URL of a mirror or its .zip, bucket "
    "(Allen's public one), auto (the first that has the data set) or phantom. "
    "[default: the setting source, else the Allen service]",
)
refresh = click.option(
    "--refresh",
    is_flag=True,
    help="Ask for the metadata anew, though the cache may have them. Images do not change.",
)
offline = click.option(
    "--offline",
    is_flag=True,
    default=None,
    help="Ask the service for nothing: take metadata of any age and images from the cache. "
    "[default: the setting offline]",
)
reference_space = click.option(
    "--reference-space",
    type=int,
    metavar="ID",
    help="The space of the coordinates: of 9 and 10 the one that a data set is not registered to "
    "shows it mirrored, left tissue right. [default: the data set's own]",
)
extent = click.option(
    "--extent",
    type=(float, float, float),
    metavar="P I R",
    help="How far another space, as of the developing mouse, reaches, in micrometres. [default: as "
    "the grid of the data set's expression]",
)
resolution = click.option(
    "--resolution", type=float, default=25, metavar="UM", help="Size of the output pixels."
)
storage_options = click.option(
    "--storage-option",
    "storage_options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_read_storage_options,
    help="For the file system; values are read as JSON where they are. Repeatable.",
)
progress = click.option(
    "--progress/--no-progress",
    default=None,
    callback=_show_progress,
    help="Show a progress bar. [default: on a terminal]",
)
_CLUSTER = (
    click.option(
        "--scheduler", metavar="ADDRESS", help="Run on the Dask cluster whose scheduler this is."
    ),
    click.option(
        "--workers", type=click.IntRange(1), metavar="N", help="Run on N processes of this machine."
    ),
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")

_DETECTION = click.option(
    "--detection-xy",
    type=(float, float),
    metavar="X Y",
    help="Pixel of a section whose coordinate is the section's. [default: the centre]",
)
_PLANE = click.option(
    "--plane",
    type=click.Choice(["projected", "oblique"]),
    default="projected",
    help="Project sections on the plane of their coordinate, or read each on its own.",
)
_ANCHOR = click.option(
    "--anchor",
    type=click.Choice(["center", "edge"]),
    default="center",
    help="Whether pixel k is centred at (k + 0.5) * resolution, or at k * resolution.",
)
_ON_ERROR = click.option(
    "--on-error",
    type=click.Choice(["raise", "fill"]),
    default="raise",
    help="Fail on a section that cannot be read, or leave it at the fill value.",
)
_READING = (
    resolution,
    click.option(
        "--tier",
        type=_read_tier,
        default="auto",
        metavar="auto|N",
        help="Halvings of the images read.",
    ),
    expression,
    projection,
    range_,
    click.option(
        "--chunks",
        type=_read_chunks,
        default="auto",
        metavar="auto|N|y=N,x=N",
        help="Sides of the blocks that are made, and stored, at a time; -1 is the whole side.",
    ),
    _ANCHOR,
    click.option(
        "--interpolation",
        type=click.Choice(["nearest", "linear", "cubic", "lanczos"]),
        default="linear",
        help="How pixels are sampled.",
    ),
    _ON_ERROR,
    click.option(
        "--fill-value",
        type=int,
        metavar="0-255",
        help="Value where a section has no pixel. [default: 255 in images of bright field, else 0]",
    ),
    reference_space,
    extent,
    _DETECTION,
    _PLANE,
    click.option(
        "--registration",
        metavar="PATH|URL",
        help="Anchors of QuickNII, DeepSlice or VisuAlign, a file, folder or zip: sections lie by "
        "these in place of Allen's own affine.",
    ),
    source,
    refresh,
    offline,
)
_VOLUME = (
    click.option(
        "--method",
        type=click.Choice(["nearest", "linear"]),
        default="nearest",
        help="Read a voxel from its nearest section, or from the two that it lies between.",
    ),
    click.option(
        "--max-distance",
        type=float,
        metavar="UM",
        help="From a section, of a voxel that is read from it alone. [default: half the sections' "
        "spacing, at most 250]",
    ),
    click.option(
        "--max-gap",
        type=float,
        metavar="UM",
        help="Between sections that are interpolated. [default: twice their spacing, at most 800]",
    ),
    *(option for option in _READING if option not in (_DETECTION, _PLANE)),
)


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines that can be typed, as they are."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def help_if_alone(ctx: click.Context) -> None:
    """Print the help of a group of which no command is asked for."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def check_both(datasets: Sequence[str], target: str, name: str) -> None:
    """Refuse a line with one argument, and say which is missing: the data sets or the target.

    Click takes one argument for the last, and would always miss the first.
    """
    if datasets:
        return
    from atldld_xr.allen.ids import parse_dataset_name
    from atldld_xr.errors import InvalidArgumentError

    try:
        parse_dataset_name(target)
    except InvalidArgumentError:
        raise click.UsageError(f"Missing argument 'DATASET...' before {short(target)}") from None
    raise click.UsageError(f"Missing argument {name!r}, where to write, after {short(target)}")


def cluster(command: F) -> F:
    """Add the options that say which cluster to run on."""
    for option in reversed(_CLUSTER):
        command = option(command)
    return command


def reading(command: F) -> F:
    """Add all options of `atldld_xr.open_dataset`; the command gets them under their names."""
    for option in reversed(_READING):
        command = option(command)
    return command


def viewing(command: F) -> F:
    """Add the options of `atldld_xr.open_dataset` that what is served to viewers has."""
    for option in reversed([option for option in _READING if option not in (_ANCHOR, _ON_ERROR)]):
        command = option(command)
    return command


def volume_reading(command: F) -> F:
    """Add all options of `atldld_xr.open_volume`; the command gets them under their names."""
    for option in reversed(_VOLUME):
        command = option(command)
    return command
