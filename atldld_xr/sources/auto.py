"""Several sources as one: for each data set the first of them that has it is taken."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.errors import (
    AtldldError,
    DatasetNotFoundError,
    InvalidArgumentError,
    ServiceError,
    SourceFallbackWarning,
)
from atldld_xr.files.paths import is_path
from atldld_xr.messages.text import format_count
from atldld_xr.settings import as_list, setting, told_origin
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.heard import last_heard, note
from atldld_xr.sources.kinds import KINDS, open_mirror
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.protocol import QueryAnswer, Source, asked_anew, kept_alone
from atldld_xr.sources.record_pages import Records, dataset_records

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures
    from atldld_xr.sources.metaimage import MetaImage

T = TypeVar("T")


class _Failure(NamedTuple):
    source: Source
    error: AtldldError

    @property
    def is_plain(self) -> bool:
        """Whether the source was asked and has no such data set, as it has others: no failure."""
        has_any = not isinstance(self.source, MirrorSource) or self.source.has_any
        return isinstance(self.error, DatasetNotFoundError) and has_any


class _Taken(NamedTuple):
    number: int
    source: Source
    record: Mapping[str, Any] | AtldldError
    failures: Sequence[_Failure]


@dataclass(frozen=True)
class AutoSource:
    """Sources in the order in which they are tried.

    Who opens a data set takes the one that `choose` returns for it, as grids of tiles depend on the
    source. What only asks for something may ask this.

    Parameters
    ----------
    sources : tuple of Source
        The sources.
    """

    sources: tuple[Source, ...]

    @property
    def url(self) -> str:
        """What it is called."""
        return "auto"

    def choose(self, ask: Callable[[Source], T], refresh: bool = False) -> tuple[Source, T]:
        """Return the first source that answers, and its answer.

        A service that is not known to be there is asked for its record though the cache has it:
        whoever opens a data set wants its images too. If another that was tried before the one
        that is taken could not be asked, a warning says why; that it does not have it is no
        failure, unless it is a mirror that has nothing.

        Parameters
        ----------
        ask : callable
            ``ask(source)`` returns what is wanted of a source.
        refresh : bool
            Whether it is asked for anew.

        Raises
        ------
        DatasetNotFoundError
            If no source has it.
        ServiceError
            If none has it, and one could not be asked.
        """
        failures: list[_Failure] = []
        for source in self.sources:
            try:
                answer = _ask(source, ask, refresh)
            except InvalidArgumentError:
                raise  # it would be the same anywhere
            except AtldldError as error:
                failures.append(_Failure(source, error))
                continue
            reasons = [str(failure.error) for failure in failures if not failure.is_plain]
            if reasons:
                _warn(f"{source.url} is taken, as another source failed: {'; '.join(reasons)}")
            return source, answer
        raise _no_source_has_it(failures)

    def choose_each(
        self, dataset_ids: Iterable[int], refresh: bool = False
    ) -> Iterator[tuple[int, Source, Mapping[str, Any] | AtldldError]]:
        """Yield of each data set the source that is taken for it and its record, or why none is.

        Sources are asked as `choose` asks them, where they can be for many at once. In the end a
        warning of each that could not be asked says for how many data sets.

        Parameters
        ----------
        dataset_ids : iterable of int
            Distinct ones.
        refresh : bool
            Whether records are asked for anew.
        """
        failed: dict[Source, list[str]] = {}
        for number, source, record, failures in self._each(dataset_ids, refresh):
            yield number, source, record
            for failure in failures if source is not self else ():
                if not failure.is_plain:
                    failed.setdefault(failure.source, []).append(str(failure.error))
        for source, reasons in failed.items():
            count = format_count(len(reasons), "data set")
            _warn(f"another source is taken for {count}, as {source.url} failed: {reasons[0]}")

    def dataset_records(self, dataset_ids: Iterable[int]) -> Records:
        """Yield what `choose_each` does, without sources and warnings."""
        return ((number, record) for number, _, record, _ in self._each(dataset_ids, False))

    def _each(self, dataset_ids: Iterable[int], refresh: bool) -> Iterator[_Taken]:
        failures: dict[int, list[_Failure]] = {number: [] for number in dataset_ids}
        for source in self.sources:
            for number, record in _ask_for_each(source, list(failures), refresh):
                if isinstance(record, InvalidArgumentError):  # it would be the same anywhere
                    yield _Taken(number, self, record, failures.pop(number))
                elif isinstance(record, AtldldError):
                    failures[number].append(_Failure(source, record))
                else:
                    yield _Taken(number, source, record, failures.pop(number))
        for number, several in failures.items():
            yield _Taken(number, self, _no_source_has_it(several), several)

    def kept_only(self, offline: bool) -> AutoSource:
        """Return the same of sources that take from the cache alone what they have, or not."""
        return AutoSource(tuple(kept_alone(source, offline) for source in self.sources))

    def refreshed(self) -> AutoSource:
        """Return the same of sources that ask for records anew; raises as these do."""
        return AutoSource(tuple(asked_anew(source, True) for source in self.sources))

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return the record of the source that is taken; raises as `choose` does."""
        return self.choose(lambda source: source.dataset_record(dataset_id))[1]

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return the record of the source that is taken; raises as `choose` does."""
        return self.choose(lambda source: source.image_record(image_id))[1]

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return the tiers of the source that is taken."""
        return _chosen(self, image.data_set_id).tiers(image, view)

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles of the source that is taken."""
        return _chosen(self, image.data_set_id).tile_side(image, tier, view)

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return pixels of the source that is taken, and raise as it does."""
        return _chosen(self, image.data_set_id).read(image, tile, view)

    def answer(self, stages: str, name: str, *, since: float | None = None) -> QueryAnswer:
        """Return the answer to a query of the first that has a catalogue and answers."""
        found: QueryAnswer = self._first("answer", stages, name, since=since)
        return found

    def grids(self, dataset_id: int, variables: Sequence[str]) -> Mapping[str, MetaImage]:
        """Return the grids of the first that has those of a data set."""
        found: Mapping[str, MetaImage] = self._first("grids", dataset_id, variables)
        return found

    def structures(self) -> Structures:
        """Return the ontology of the first that has one."""
        found: Structures = self._first("structures")
        return found

    def _first(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return what a method of the first source gives that has it, and answers."""
        able = tuple(source for source in self.sources if hasattr(source, method))
        if not able:
            raise InvalidArgumentError(f"no source of the setting auto.sources has {method}")
        return AutoSource(able).choose(lambda source: getattr(source, method)(*args, **kwargs))[1]


def open_auto() -> AutoSource:
    """Return the sources that the setting ``auto.sources`` names.

    A path is a mirror's also while nothing is there, as of a disk that is not mounted: the others
    are taken then.

    Raises
    ------
    InvalidArgumentError
        If it names what is no source.
    """
    try:
        names = setting("auto.sources", as_list)
        if "auto" in names:
            raise InvalidArgumentError("auto cannot be one of the sources that it tries")
        sources = tuple(map(_open, names))
    except InvalidArgumentError as error:
        told = told_origin("auto.sources")
        raise InvalidArgumentError(f"the setting auto.sources ({told}): {error}") from None
    return AutoSource(sources)


def _open(name: str) -> Source:
    from atldld_xr.sources.resolve import resolve  # which opens `auto`, too

    is_known = any(kind.is_named_by(name) for kind in KINDS)
    if not is_known and is_path(name) and os.sep in name:  # more than a word: it was meant so
        return open_mirror(name)
    return resolve(name)


def _warn(message: str) -> None:
    warnings.warn(message, SourceFallbackWarning, stacklevel=3)


def _no_source_has_it(failures: Sequence[_Failure]) -> AtldldError:
    told = "; ".join(f"{source.url}: {error}" for source, error in failures)
    if all(isinstance(failure.error, DatasetNotFoundError) for failure in failures):
        return DatasetNotFoundError(told)
    error = ServiceError(f"no source has it: {told}")
    error.__cause__ = failures[0].error
    return error


def _ask_for_each(source: Source, dataset_ids: list[int], refresh: bool) -> Records:
    """Yield a source's records; of a service, once one has shown that it is there."""
    if not isinstance(source, ApiSource) or source.is_offline:
        yield from dataset_records(asked_anew(source, refresh), dataset_ids)
        return
    asked = list(dataset_ids)
    if asked and not refresh and last_heard(source) != "":
        first = asked.pop(0)
        try:
            yield first, _ask(source, lambda service: service.dataset_record(first), refresh)
        except AtldldError as error:
            yield first, error
        if failure := last_heard(source):
            yield from ((number, ServiceError(failure)) for number in asked)
            return
    for number, record in dataset_records(asked_anew(source, refresh), asked):
        if isinstance(record, ServiceError):
            note(source, str(record))
        yield number, record


def _ask(source: Source, ask: Callable[[Source], T], refresh: bool) -> T:
    """Return a source's answer; of a service, one that shows that it is there."""
    if not isinstance(source, ApiSource) or source.is_offline:
        return ask(asked_anew(source, refresh))
    failure = last_heard(source)
    if failure and not refresh:
        raise ServiceError(failure)
    try:
        answer = ask(asked_anew(source, refresh or failure is None))
    except ServiceError as error:
        note(source, str(error))
        raise
    if failure is None:
        note(source, "")
    return answer


@functools.lru_cache(maxsize=64)
def _chosen(auto: AutoSource, dataset_id: int) -> Source:
    return auto.choose(lambda source: source.dataset_record(dataset_id))[0]
