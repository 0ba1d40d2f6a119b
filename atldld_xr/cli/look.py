"""Commands that look: ``info``, ``image`` and ``preview``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.repeating import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_JPEG_QUALITY = 95


def _read_path(_: click.Context, __: click.Parameter, value: str) -> Path:
    from atldld_xr.files.paths import local_file

    return local_file(value)


@click.command(
    cls=options.ExpressionCommand,
    short_help="Say what DATASET is, and what a run would cost.",
    epilog=options.examples(
        "atldld-xr info 71717640",
        "atldld-xr info 71717640 --resolution 10 --expression intensity",
        "atldld-xr info phantom --json",
    ),
)
@click.argument("dataset")
@options.reading
@options.as_json
def info(dataset: str, as_json: bool, **reading: Any) -> None:
    """Say what DATASET is, and what it costs to make all of it with these options.

    Makes one request, for the metadata, and none for images.
    """
    from atldld_xr import info as look

    found = look(dataset, **reading)
    if as_json:
        asked = {
            name: value
            for name, value in reading.items()
            if name not in ("source", "refresh", "offline")
        }
        print_json({**asdict(found), "options": asked})
    else:
        say(str(found))


@click.command(
    cls=options.ExpressionCommand,
    short_help="Save one section image as it is.",
    epilog=options.examples(
        "atldld-xr image 101321610 section.png --tier 3",
        "atldld-xr image 101321610 mask.png --tier 3 --expression",
    ),
)
@click.argument("image_id")
@click.argument("out", callback=_read_path, shell_complete=options.complete_path)
@click.option("--tier", type=int, default=0, metavar="N", help="Halvings of the image.")
@click.option(
    "--expression",
    type=click.Choice(options.EXPRESSIONS),
    help="Save Allen's expression mask of it instead, as the service colours it or as grey.",
)
@click.option(
    "--projection",
    type=click.Choice(options.EXPRESSIONS),
    help="Save Allen's projection mask of it instead, in the same two ways.",
)
@options.range_
@options.source
@options.refresh
@options.offline
def image(
    image_id: str,
    out: Path,
    tier: int,
    expression: str | None,
    projection: str | None,
    range: Any,
    source: str | None,
    refresh: bool,
    offline: bool | None,
) -> None:
    """Save one section image as it is, unregistered, to OUT.

    Without loss as .png or .tif; as .jpg it is encoded anew. A file of that name is replaced.
    """
    from atldld_xr.allen.ids import check_id
    from atldld_xr.datasets.one_image import parse_one
    from atldld_xr.files.atomic import write_whole
    from atldld_xr.plan.arguments import check_tier
    from atldld_xr.sources.protocol import asked_anew, kept_alone
    from atldld_xr.sources.read_whole import read_whole
    from atldld_xr.sources.resolve import resolve

    encode = _encoder(out)
    opened = kept_alone(resolve(source), offline)
    number = check_id(image_id, "section image")
    one = parse_one(asked_anew(opened, refresh).image_record(number), range)
    check_tier(tier, one.image)
    if expression and projection:
        raise click.UsageError("--expression and --projection: one image is saved at a time")
    view = one.views(expression or False, projection or False)[-1]
    pixels = read_whole(opened, one.image, tier, view)
    write_whole(out, encode(pixels))
    say(f"{out}: {pixels.shape[1]} x {pixels.shape[0]} px")


@click.command(
    short_help="Draw how the sections of DATASET lie.",
    epilog=options.examples("atldld-xr preview 71717640 sections.png"),
)
@click.argument("dataset")
@click.argument("out", callback=_read_path, shell_complete=options.complete_path)
@options.reference_space
@options.extent
@options.source
@options.refresh
def preview(
    dataset: str,
    out: Path,
    reference_space: int | None,
    extent: tuple[float, float, float] | None,
    source: str | None,
    refresh: bool,
) -> None:
    """Draw to OUT (.png, .svg or .pdf) how the sections of DATASET lie in the reference space.

    Needs the extra "plot". Fetches no images. A file of that name is replaced.
    """
    import io

    from atldld_xr import preview as draw
    from atldld_xr.files.atomic import write_whole

    kind = _suffix(out, ("png", "svg", "pdf"))
    figure = draw(
        dataset, source=source, refresh=refresh, reference_space=reference_space, extent=extent
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind)
    write_whole(out, drawn.getvalue())
    say(str(out))


def _suffix(out: Path, known: tuple[str, ...]) -> str:
    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in known:
        *others, last = (f".{ending}" for ending in known)
        raise click.BadParameter(
            f"{short(str(out))} has to end with {', '.join(others)} or {last}", param_hint="OUT"
        )
    return suffix


def _encoder(out: Path) -> Callable[[NDArray[np.uint8]], bytes]:
    """Return what turns pixels, RGB or grey, into a file of the kind that a name ends with."""
    suffix = _suffix(out, ("png", "jpg", "jpeg", "tif", "tiff"))

    def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
        import simplejpeg

        if pixels.ndim == 2:
            grey = {"colorspace": "GRAY", "colorsubsampling": "Gray"}
            return bytes(simplejpeg.encode_jpeg(pixels[..., None], quality=_JPEG_QUALITY, **grey))
        return bytes(simplejpeg.encode_jpeg(pixels, quality=_JPEG_QUALITY, colorsubsampling="444"))

    def encode_lossless(pixels: NDArray[np.uint8]) -> bytes:
        import cv2

        bgr = pixels if pixels.ndim == 2 else pixels[..., ::-1]
        return bytes(cv2.imencode(f".{suffix}", bgr)[1])

    return encode_jpeg if suffix in ("jpg", "jpeg") else encode_lossless
