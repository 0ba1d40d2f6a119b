"""The command ``serve``, which gives data sets to viewers without writing them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import say

if TYPE_CHECKING:
    from atldld_xr.serve.plan_store import PlanStore

_OF_SECTIONS = ("detection_xy", "plane", "annotation", "step")
"""What volumes have no use for."""


@click.command(
    cls=options.ExpressionCommand,
    short_help="Serve each DATASET to viewers, unexported.",
    epilog=options.examples(
        "atldld-xr serve 71717640",
        "atldld-xr serve 71717640 69289763 --expression intensity --annotation",
        "atldld-xr serve phantom --port 0 --resolution 10",
    ),
)
@click.argument("dataset", nargs=-1, required=True, metavar="DATASET...")
@click.option("--host", default="127.0.0.1", help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="The port; 0 for any that is free."
)
@click.option(
    "--token",
    help="What all paths begin with. [default: none on loopback, else one that nobody guesses]",
)
@click.option("--annotation", is_flag=True, help="Have Allen's annotation beside, as labels.")
@click.option("--volume", is_flag=True, help="Serve each data set as a true volume, too.")
@click.option("--step", type=float, metavar="UM", help="Between planes. [default: as for export]")
@click.option("--levels", type=int, metavar="N", help="Of the pyramid. [default: down to 256 px]")
@click.option(
    "--keep",
    metavar="URL",
    shell_complete=options.complete_path,
    help="Keep what is looked at of the images' finest level in a store, which "
    '"atldld-xr export" to an .ome.zarr goes on with; of several data sets, with {id} in it.',
)
@options.viewing
def serve(
    dataset: tuple[str, ...],
    host: str,
    port: int,
    token: str | None,
    volume: bool,
    keep: str | None,
    **arguments: Any,
) -> None:
    """Serve each DATASET to viewers, unexported, until it is told to end.

    Each is an OME-Zarr at an address that is printed, with a link to neuroglancer. Nothing is
    written but the cache: chunks are made as somebody looks at them, each level of detail from the
    tier of Allen's that it needs. With --expression the masks are served beside the images, and
    with --volume true volumes. Needs the extra "serve".
    """
    from atldld_xr.allen.ids import parse_dataset_name
    from atldld_xr.serve import AllenStore
    from atldld_xr.serve.server import Server
    from atldld_xr.serve.view import viewer_link

    if keep is not None and len(dataset) > 1 and "{id}" not in keep:
        raise click.UsageError("--keep of several data sets needs {id} where the id goes")
    stores: dict[str, PlanStore] = {}
    images: dict[str, AllenStore] = {}
    for name in dataset:
        number = str(parse_dataset_name(name))
        images[number] = AllenStore(name, **arguments)
        stores |= {number: images[number]} | _beside(name, number, volume, arguments)
    with ExitStack() as kept:
        if keep is not None:
            for number, store in images.items():
                kept.enter_context(store.kept_in(keep.replace("{id}", number)))
        server = Server(stores, host=host, port=port, token=token)
        for name in stores:
            address = server.address(name)
            say(f"{name}: {address}")
            say(f"  {viewer_link(address)}")
        server.run()


def _beside(
    dataset: str, number: str, volume: bool, arguments: dict[str, Any]
) -> dict[str, PlanStore]:
    """Return what is served of a data set beside its images, by name."""
    from atldld_xr.serve import AllenStore, VolumeStore

    found: dict[str, PlanStore] = {}
    for mask in ("expression", "projection"):
        if arguments[mask]:
            masked = arguments | {"annotation": False}
            found[f"{number}.{mask}"] = AllenStore(dataset, variable=mask, **masked)
    if volume:
        ours = {name: value for name, value in arguments.items() if name not in _OF_SECTIONS}
        found[f"{number}.volume"] = VolumeStore(dataset, **ours)
    return found
