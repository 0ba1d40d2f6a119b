"""The commands ``summary`` and ``grid``: numbers per structure, and Allen's own grids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options, selection
from atldld_xr.cli.failures import PARTIAL
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.repeating import short

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_SHOWN = ("sum_pixels", "expression_density", "expression_intensity", "expression_energy")
_SHOWN_OF_GRIDS = ("n_voxels", "voxel_energy_mean", "voxel_energy_cv")
_MOST_ROWS = 20


def _read_output(value: str | None) -> Path | None:
    from atldld_xr.files.paths import local_file

    if value is None:
        return None
    path = local_file(value)
    if path.suffix not in (".csv", ".parquet"):
        raise click.BadParameter(f"{short(value)} ends neither in .csv nor in .parquet")
    return path


def _read_structures(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> list[str | int] | None:
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return [int(name) if name.isdecimal() else name for name in names] or None


@click.command(
    cls=options.ExpressionCommand,
    short_help="Numbers per structure of one DATASET, or of many as one table.",
    epilog=options.examples(
        "atldld-xr summary 71717640 -o numbers.csv",
        "atldld-xr summary 71717640 --structures DG,CA1 --by section --hemisphere each",
        "atldld-xr summary 69289763 --method grid --json",
        "atldld-xr summary --product Mouse --plane-of-section coronal -o table.zarr --workers 8",
        "atldld-xr summary --gene 'Gad*' --on-error fill -o gad.parquet",
    ),
)
@click.argument("dataset", nargs=-1)
@selection.selecting
@options.reading
@click.option(
    "--structures",
    multiple=True,
    callback=_read_structures,
    metavar="NAME,NAME",
    help="By acronym or id. Repeatable. [default: all]",
)
@click.option(
    "--threshold",
    type=click.IntRange(0, 255),
    default=25,
    help="A mask's value above which a pixel expresses.",
)
@click.option(
    "--by",
    type=click.Choice(["data set", "section"]),
    default="data set",
    help="Add sections up, or have rows of each.",
)
@click.option(
    "--method",
    type=click.Choice(["sections", "grid"]),
    default="sections",
    help="Count pixels of the sections, or voxels of Allen's own 200 um grid.",
)
@click.option(
    "--hemisphere",
    type=click.Choice(["both", "left", "right", "each"]),
    default="both",
    help="The side of the brain.",
)
@click.option(
    "--annotation",
    metavar="PATH|URL",
    shell_complete=options.complete_path,
    help="Where the annotation and its structures are read: a file, folder, mirror or phantom. "
    "[default: Allen's, or the phantom's of a phantom]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE|URL",
    shell_complete=options.complete_path,
    help="A table: .csv, or .parquet with the extra of that name. What is there is replaced. Of "
    "many data sets a Zarr store, or a folder of Parquet if it ends so, which is gone on with.",
)
@click.option(
    "--mode",
    type=click.Choice(["w-", "w"]),
    default="w-",
    help="Of many: refuse to write where another table is, or replace it.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Of many: count again what has no numbers, or not all of them.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Of many: only say what it takes, requests, bytes and hours; no image is asked for.",
)
@options.storage_options
@options.progress
@options.cluster
@options.as_json
@click.pass_context
def summary(
    ctx: click.Context,
    /,
    dataset: tuple[str, ...],
    structures: list[str | int] | None,
    threshold: int,
    by: str,
    method: str,
    hemisphere: str,
    annotation: str | None,
    output: str | None,
    mode: str,
    retry_failed: bool,
    dry_run: bool,
    storage_options: dict[str, Any] | None,
    progress: bool,
    scheduler: str | None,
    workers: int | None,
    as_json: bool,
    **reading: Any,
) -> None:
    """Numbers per structure of DATASET: expression by Allen's own definitions.

    Of several, or of what is searched for, they are one table with a row for each, which the same
    command goes on with. Masks are read as "--expression intensity" has them unless it says
    otherwise. What was fetched is in the cache, so that an interrupted summary goes on where it
    ended.
    """
    from atldld_xr.cli.computing import computing

    chosen = {name: reading.pop(name) for name in selection.NAMES}
    if len(dataset) != 1 or selection.is_asked(chosen):
        from atldld_xr.cli.collection import summarize_many

        if by != "data set":
            raise click.UsageError("--by section is of one data set")
        ctx.exit(
            summarize_many(
                dataset,
                chosen,
                output,
                reading,
                dry_run=dry_run,
                as_json=as_json,
                progress=progress,
                computed_on=(scheduler, workers),
                structures=structures,
                threshold=threshold,
                method=method,
                hemisphere=hemisphere,
                annotation=annotation,
                mode=mode,
                retry_failed=retry_failed,
                storage_options=storage_options,
            )
        )
    if dry_run:
        raise click.UsageError("--dry-run is of many data sets: of one, atldld-xr info says it")
    (name,) = dataset
    file = _read_output(output)
    where = _annotation_of(name, annotation)
    asked: dict[str, Any] = {"structures": structures, "hemisphere": hemisphere}
    with computing(scheduler, workers):
        import atldld_xr
        import atldld_xr.accessor  # importing it registers the methods that count

        ontology = atldld_xr.structures(source=where)
        if method == "grid":
            ds = atldld_xr.open_grid(name, variables="energy", source=reading["source"])
            asked |= {"method": "grid"}
        else:
            reading["expression"] = reading["expression"] or "intensity"
            ds = atldld_xr.open_dataset(name, **reading)
            asked |= {"threshold": threshold, "by": by}
        labels = atldld_xr.open_annotation(resolution=25, source=where)
        found = ds.atldld.structure_summary(labels, ontology=ontology, **asked)
        if file is not None:
            found.atldld.to_table(file)
    from atldld_xr.analysis.structure_summary import NONE

    not_counted = str(found.attrs.get("sections_not_counted", NONE))
    table = found.to_dataframe().reset_index()
    if as_json:
        print_json({"rows": _records(table), "sections_not_counted": not_counted})
    else:
        _say(table, file)
        if not_counted != NONE:
            say(f"not counted, as they could not be read: {not_counted}")
    ctx.exit(0 if not_counted == NONE else PARTIAL)


def _annotation_of(dataset: str, annotation: str | None) -> str | None:
    """Return where the annotation is: of a phantom, the phantom's."""
    from atldld_xr.allen.ids import is_phantom

    return "phantom" if annotation is None and is_phantom(dataset) else annotation


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows without numbers that are none, which JSON does not have."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _say(table: pd.DataFrame, output: Path | None) -> None:
    if output is not None:
        say(f"{output}: {len(table):,} rows")
        return
    names = [name for name in (*_SHOWN, *_SHOWN_OF_GRIDS) if name in table]
    keys = [name for name in ("structure", "section", "hemisphere_id") if name in table]
    last = "voxel_energy_mean" if "voxel_energy_mean" in table else "expression_energy"
    known = table.dropna(subset=[last]).sort_values(last, ascending=False)
    say(known[[*keys, *names]].head(_MOST_ROWS).to_string(index=False))
    more = len(table) - min(len(known), _MOST_ROWS)
    if more:
        say(f"and {more:,} more rows, {len(table) - len(known):,} without numbers: -o has them all")


@click.command(
    short_help="Save Allen's own expression grids of DATASET.",
    epilog=options.examples(
        "atldld-xr grid 69289763 grid.zarr",
        "atldld-xr grid 69289763 --json",
        "atldld-xr grid 126862385 density.zarr --kind projection_density --resolution 25",
    ),
)
@click.argument("dataset")
@click.argument("out", required=False, shell_complete=options.complete_path)
@click.option(
    "--variables",
    multiple=True,
    type=click.Choice(["energy", "density", "intensity"]),
    help="Which. Repeatable. [default: all]",
)
@click.option(
    "--kind",
    metavar="KIND",
    help="Of a projection, in their place: projection_density, projection_energy, "
    "injection_fraction, injection_density, injection_energy or data_mask.",
)
@click.option(
    "--resolution", type=int, default=100, metavar="10|25|50|100", help="Of that kind, in um."
)
@options.source
@options.refresh
@options.offline
@options.as_json
def grid(
    dataset: str,
    out: str | None,
    variables: tuple[Any, ...],
    kind: Any,
    resolution: int,
    source: str | None,
    refresh: bool,
    offline: bool | None,
    as_json: bool,
) -> None:
    """Save Allen's own 200 um expression grids of DATASET to OUT, or say what is in them.

    Or those of a projection: see --kind.

    OUT is a Zarr store. What is there is not replaced.
    """
    from atldld_xr.datasets.open_grid import open_grid

    found = open_grid(
        dataset,
        variables=variables or None,
        kind=kind,
        resolution=resolution,
        source=source,
        refresh=refresh,
        offline=offline,
    )
    if out is not None:
        import atldld_xr.accessor  # noqa: F401  # importing it registers the methods that write

        found.chunk("auto").atldld.to_zarr(out)
    facts = {str(name): _facts(found[name]) for name in found.data_vars}
    if as_json:
        print_json({"dataset": dataset, "out": out, "variables": facts})
        return
    for name, fact in facts.items():
        shape = " x ".join(map(str, fact["shape"]))
        say(f"{name}: {shape} voxels, {fact['valid']:,} valid, mean {fact['mean']:.4g}")
    if out is not None:
        say(f"written to {out}")


def _facts(array: xr.DataArray) -> dict[str, Any]:
    valid = int(array.notnull().sum())
    mean = float(array.mean()) if valid else None
    return {"shape": list(array.shape), "valid": valid, "mean": mean}
