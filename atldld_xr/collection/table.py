"""A table that is planned: what it would take, and writing what is missing of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atldld_xr.collection.atlas import keep_labels
from atldld_xr.collection.cost import Cost
from atldld_xr.collection.explain import explain_rows
from atldld_xr.collection.layout import shape_of
from atldld_xr.collection.missing import look, missing_rows, row_parts
from atldld_xr.collection.parquet import write_parts
from atldld_xr.collection.row import Wanted
from atldld_xr.collection.run import LOST, RowTask, make_rows
from atldld_xr.compute.progress import Callback, progress_bar
from atldld_xr.datasets.records_ahead import WHERE, records_ahead
from atldld_xr.export.run.on_threads import Job
from atldld_xr.export.run.run import write_missing
from atldld_xr.files.file_store import FileStore
from atldld_xr.messages.html import AsHtml
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.ledger_entries import SectionEntry
from atldld_xr.store.resume import Mode, invalidate, open_for_writing
from atldld_xr.store.store_plan import Layout


@dataclass(frozen=True)
class SummaryReport(AsHtml):
    """What was done of a table.

    Attributes
    ----------
    url : str
        Where it is.
    datasets : int
        Its rows.
    counted, skipped : int
        Data sets whose rows were made now, and those that were there already.
    failures : tuple of dict
        The ``dataset`` of each row that has no numbers, or not all of them, and the ``reason``.
        With ``retry_failed=True`` these are made again.
    cost : Cost, optional
        Of a dry run: what the missing rows take.
    """

    url: str
    datasets: int
    counted: int
    skipped: int
    failures: tuple[Mapping[str, Any], ...]
    cost: Cost | None = None


@dataclass(frozen=True)
class Table:
    """A table that is planned, of which nothing is touched yet.

    Attributes
    ----------
    url : str
        Where it is to be.
    rows : FileStore
        Where its rows go: there, or beside the Parquet that is made of them.
    parquet : FileStore or None
        Where that is, if it is asked for.
    ids : sequence of int
        The data sets, in the order of the rows.
    wanted : Wanted
        What is counted of them.
    layout : Layout
        Of the rows' store.
    mode, retry_failed
        As of `summarize`.
    """

    url: str
    rows: FileStore
    parquet: FileStore | None
    ids: Sequence[int]
    wanted: Wanted
    layout: Layout
    mode: Mode
    retry_failed: bool

    def look(self) -> SummaryReport:
        """Return what is done of it, and what the rest takes; no image is asked for."""
        ledger = look(self.rows, self.layout, self.mode, retry_failed=self.retry_failed)
        missing = missing_rows(self.layout, ledger)
        cost = explain_rows([self.ids[at] for at in missing], self.wanted)
        return self._report(ledger, 0, len(missing), cost)

    def write(self, *, progress: bool = False, callback: Callback | None = None) -> SummaryReport:
        """Write what is missing; arguments and errors as of `summarize`."""
        steps = open_for_writing(
            self.rows, self.layout, self.mode, may_read=False, unproven=lambda _: ()
        )
        with steps as (store, ledger, lease):
            parts = row_parts(self.layout)
            retry = self.retry_failed
            invalidate(store, self.layout, ledger, parts, (), as_one=True, retry_failed=retry)
            missing = missing_rows(self.layout, ledger)
            if missing:
                keep_labels(self.wanted.atlas)
            job = Job(store, self.layout.arrays, may_overwrite=ledger.may_overwrite, lease=lease)
            task = RowTask(job, self.wanted, shape_of(self.layout))
            asked = {key: v for key, v in self.wanted.opening.items() if key in WHERE}
            ahead = records_ahead([self.ids[at] for at in missing], **asked)
            count = len(missing)
            with progress_bar(
                "data sets", count, enabled=progress, what="data set", callback=callback
            ) as advance:

                def events() -> Generator[SectionEntry, None, None]:
                    for entry in make_rows(zip(missing, map(int, ahead), strict=True), task):
                        yield entry
                        advance(1)  # once it is entered: a callback may raise

                write_missing(events(), self.layout, store, ledger, lease, progress=False)
        if self.parquet is not None:
            write_parts(self.parquet, self.rows)
        return self._report(ledger, count, count)

    def _report(
        self, ledger: Ledger, counted: int, missing: int, cost: Cost | None = None
    ) -> SummaryReport:
        failures = tuple(
            {"dataset": self.ids[at], "reason": reasons[LOST]}
            for at, reasons in sorted(ledger.failures.items())
        )
        count = len(self.ids)
        return SummaryReport(self.url, count, counted, count - missing, failures, cost)
