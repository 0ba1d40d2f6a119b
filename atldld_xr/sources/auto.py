"""Several sources as one: for each data set the first of them that has it is taken."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

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
from atldld_xr.settings import as_list, setting, told_origin
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.heard import last_heard, note
from atldld_xr.sources.protocol import QueryAnswer, Source, asked_anew, kept_alone

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures
    from atldld_xr.sources.metaimage import MetaImage

T = TypeVar("T")


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
        whoever opens a data set wants its images too. If another was tried before the one that is
        taken, a warning says why it was not.

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
        failures: list[tuple[Source, AtldldError]] = []
        for source in self.sources:
            try:
                answer = _ask(source, ask, refresh)
            except InvalidArgumentError:
                raise  # it would be the same anywhere
            except AtldldError as error:
                failures.append((source, error))
                continue
            if failures:
                reasons = "; ".join(str(error) for _, error in failures)
                message = f"{source.url} is taken, as another source failed: {reasons}"
                warnings.warn(message, SourceFallbackWarning, stacklevel=2)
            return source, answer
        told = "; ".join(f"{source.url}: {error}" for source, error in failures)
        if all(isinstance(error, DatasetNotFoundError) for _, error in failures):
            raise DatasetNotFoundError(told)
        raise ServiceError(f"no source has it: {told}") from failures[0][1]

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

    Raises
    ------
    InvalidArgumentError
        If it names what is no source.
    """
    from atldld_xr.sources.resolve import resolve  # which opens this one, too

    try:
        names = setting("auto.sources", as_list)
        if "auto" in names:
            raise InvalidArgumentError("auto cannot be one of the sources that it tries")
        sources = tuple(resolve(name) for name in names)
    except InvalidArgumentError as error:
        told = told_origin("auto.sources")
        raise InvalidArgumentError(f"the setting auto.sources ({told}): {error}") from None
    return AutoSource(sources)


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
