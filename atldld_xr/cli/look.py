"""Commands that look: ``info``, ``image`` and ``preview``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import format_bytes, format_range, print_json, print_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from atldld_xr.dataset import DatasetPlan

_JPEG_QUALITY = 95


@click.command(cls=options.ExpressionCommand)
@click.argument("dataset")
@options.reading
@options.as_json
def info(dataset: str, as_json: bool, **reading: Any) -> None:
    """Say what DATASET is, and what it costs to make all of it with these options.

    Makes one request, for the metadata, and none for images.
    """
    from atldld_xr.dataset import plan_dataset

    planned = plan_dataset(dataset, **reading)
    facts = _describe(planned)
    if as_json:
        asked = {name: value for name, value in reading.items() if name != "source"}
        print_json({**facts, "options": asked, "costs": _costs(planned)})
        return
    print_rows([*_dataset_rows(facts), ("", ""), *_cost_rows(planned, reading)])


@click.command(cls=options.ExpressionCommand)
@click.argument("image_id")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tier", type=int, default=0, metavar="N", help="Halvings of the image.")
@click.option(
    "--expression",
    type=click.Choice(options.EXPRESSIONS),
    help="Save Allen's expression mask of it instead, as the service colours it or as grey.",
)
@options.source
def image(image_id: str, out: Path, tier: int, expression: str | None, source: str | None) -> None:
    """Save one section image as it is, unregistered, to OUT.

    Without loss as .png or .tif; as .jpg it is encoded anew. A file of that name is replaced.
    """
    from atldld_xr.arguments import check_mask, check_tier
    from atldld_xr.cache import write_whole
    from atldld_xr.metadata import parse_image
    from atldld_xr.sources.base import View
    from atldld_xr.sources.ids import check_id
    from atldld_xr.sources.resolve import resolve
    from atldld_xr.whole import read_whole

    encode = _encoder(out)
    opened = resolve(source)
    found = parse_image(opened.image_record(check_id(image_id, "section image")))
    check_tier(tier, found)
    if expression:
        check_mask(found)
    views: dict[str | None, View] = {
        None: "image",
        "true": "expression",
        "intensity": "intensity",
    }
    pixels = read_whole(opened, found, tier, views[expression])
    write_whole(out, encode(pixels))
    click.echo(f"{out}: {pixels.shape[1]} x {pixels.shape[0]} px")


@click.command()
@click.argument("dataset")
@click.argument("out", type=click.Path(path_type=Path))
@options.reference_space
@options.source
def preview(dataset: str, out: Path, reference_space: int, source: str | None) -> None:
    """Draw to OUT (.png, .svg or .pdf) how the sections of DATASET lie in the reference space.

    Needs the extra "plot". Fetches no images. A file of that name is replaced.
    """
    import io

    from atldld_xr.cache import write_whole
    from atldld_xr.plot import preview as draw

    kind = _suffix(out, ("png", "svg", "pdf"))
    figure = draw(dataset, source=source, reference_space=reference_space)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind)
    write_whole(out, drawn.getvalue())
    click.echo(str(out))


def _suffix(out: Path, known: tuple[str, ...]) -> str:
    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in known:
        raise click.BadParameter(
            f"{str(out)!r} has to end with {', '.join('.' + k for k in known)}", param_hint="OUT"
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


def _describe(planned: DatasetPlan) -> dict[str, Any]:
    import numpy as np

    data, grid = planned.data, planned.grid
    at = [float(point[grid.plane.section_axis]) for _, point in planned.placed]
    steps = np.diff(at)
    return {
        "section_data_set_id": data.id,
        "genes": list(data.genes),
        "plane_of_section": data.plane.dim,
        "reference_space_id": grid.space.id,
        "reference_space": grid.space.name,
        "registered_to_reference_space_id": data.reference_space_id,
        "source": planned.source.url,
        "sections": len(data.images),
        "coordinates": at,
        "spacing": float(np.median(steps)) if steps.size else None,
        "widest_spacing": float(steps.max()) if steps.size else None,
        "section_thickness": data.section_thickness,
        "native_resolutions": sorted({image.resolution for image in data.images}),
        "widths": [image.width for image, _ in planned.placed],
        "heights": [image.height for image, _ in planned.placed],
        "with_expression": sum(image.has_expression for image in data.images),
        "excluded_sections": [asdict(excluded) for excluded in data.excluded],
    }


def _costs(planned: DatasetPlan) -> dict[str, Any]:
    from atldld_xr.costs import estimate_costs

    return asdict(estimate_costs(planned))


def _dataset_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    dim, at, excluded = facts["plane_of_section"], facts["coordinates"], facts["excluded_sections"]
    registered, space = facts["registered_to_reference_space_id"], facts["reference_space_id"]
    moved = "" if registered == space else f", registered to {registered}"
    spacing = "none"
    if facts["spacing"] is not None:
        spacing = f"{facts['spacing']:.0f} um, at most {facts['widest_spacing']:.0f} um"
    sides = [format_range(facts[side], "px") for side in ("widths", "heights")]
    rows = [
        ("section data set", str(facts["section_data_set_id"])),
        ("genes", ", ".join(facts["genes"]) or "none named"),
        ("plane of section", dim),
        ("reference space", f"{space} ({facts['reference_space']}){moved}"),
        ("source", facts["source"]),
        ("sections", f"{facts['sections']}, {facts['with_expression']} with an expression mask"),
        (f"{dim} coordinates", f"{at[0]:.0f} to {at[-1]:.0f} um"),
        ("spacing", spacing),
        ("section thickness", f"{facts['section_thickness']:g} um"),
        ("native resolution", format_range(facts["native_resolutions"], "um")),
        ("image widths", sides[0]),
        ("image heights", sides[1]),
        ("excluded sections", "none" if not excluded else str(len(excluded))),
    ]
    for e in excluded:
        rows.append(("", f"number {e['section_number']} (image {e['id']}): {e['reason']}"))
    return rows


def _cost_rows(planned: DatasetPlan, reading: dict[str, Any]) -> list[tuple[str, str]]:
    from atldld_xr.costs import JPEG_BYTES_PER_PIXEL, Costs, estimate_costs

    costs: Costs = estimate_costs(planned)
    rows, columns = planned.grid.shape
    tiers = [
        f"{view} at tier {tier}: {count} sections"
        for view, counts in costs.tiers.items()
        for tier, count in counts.items()
    ]
    return [
        ("at resolution", f"{reading['resolution']:g} um"),
        ("output", f"{costs.sections} x {rows:,} x {columns:,} px"),
        *zip(["read", *[""] * (len(tiers) - 1)], tiers, strict=True),
        ("requests", f"{costs.requests:,} for images"),
        (
            "download",
            f"about {format_bytes(costs.estimated_jpeg_bytes)}: a rough estimate, by "
            f"{JPEG_BYTES_PER_PIXEL:g} bytes of JPEG per pixel",
        ),
        (
            "source pixels",
            f"{costs.source_pixels:,}, {format_bytes(costs.decoded_bytes)} decoded",
        ),
        (
            "export",
            f"{format_bytes(costs.output_bytes)} uncompressed, in {costs.chunks:,} Zarr chunks",
        ),
    ]
