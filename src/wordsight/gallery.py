"""A searchable collection of images: an index, the model it was made with, and the sources it follows."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from wordsight.arguments import check_items, check_path
from wordsight.errors import CheckpointError, InputError, StoreError, UnknownModelError
from wordsight.index import Index, IndexInfo, create_index, is_local, open_index, resolve_location
from wordsight.index.base import check_same_model
from wordsight.model import Model, lasting_name, load, load_once
from wordsight.path_text import to_path, to_text

if TYPE_CHECKING:  # what only writing needs is imported there: a search starts sooner
    from wordsight.duplicates.groups import Group
    from wordsight.ingest.in_memory import Given
    from wordsight.ingest.options import IngestOptions
    from wordsight.search.hits import Hits
    from wordsight.search.options import By
    from wordsight.update.counting import OnProgress
    from wordsight.update.run import Embed, Summary
    from wordsight.update.sources import FollowedSources, Source
    from wordsight.update.status import Status

OnDownload: TypeAlias = Callable[[int, int], None]


class Gallery:
    """An index and its model. Made by `open` or `create`; closed by `close` or a `with` block.

        with Gallery.create("my-index") as gallery:
            gallery.add("photos/")
            hits = gallery.search("a red car", where="width > 1000")

    The model is loaded when first needed, and refused if it is not the one that the index was made with.
    Pickled or copied, it is its location and model: the index is opened again.
    """

    def __init__(
        self,
        index: Index,
        model: Model | str | Path | None = None,
        *,
        location: str = "",
        backend: str = "auto",
        precision: str = "auto",
        download: OnDownload | None = None,
    ) -> None:
        self.index = index
        self.location = location
        self._model: Model | None = None
        self._to_load = index.info.model
        if isinstance(model, Model):
            self._model = _check_model(model, index.info, location)
        elif model is not None:
            self._to_load = lasting_name(model)
        self._from = _make_lasting(location)  # for other processes, and after a change of folder
        self._backend, self._precision, self._download = backend, precision, download
        self._sent = False  # from another process: of many tasks that bring it, only the first loads the model

    @classmethod
    def open(
        cls,
        location: Source | None = None,
        *,
        model: Model | str | Path | None = None,
        backend: str = "auto",
        precision: str = "auto",
        download: OnDownload | None = None,
    ) -> Gallery:
        """Gallery of an index that exists.

        location: a folder ("~" is the user's home), a URL ("s3://…", "qdrant:…", "pinecone:…"), or None for the
            user's personal index.
        model: needed only where the name that the index recorded does not lead to it.
        download: called with (bytes done, bytes in total) while a model's file is downloaded.
        Raises: StoreError if there is none, or it was made with another model.
        """
        place = resolve_location(location)
        return cls(open_index(place), model, location=place, backend=backend, precision=precision, download=download)

    @classmethod
    def create(
        cls,
        location: Source | None = None,
        *,
        model: Model | str | Path = "mini",
        backend: str = "auto",
        precision: str = "auto",
        download: OnDownload | None = None,
    ) -> Gallery:
        """Gallery of a new index, or of the existing one if it was made with this model.

        model: a name, file or folder that `wordsight.load` takes, or a Model.
        Raises: StoreError for an index of another model, naming both; what `wordsight.load` raises.
        """
        place = resolve_location(location)
        made = model if isinstance(model, Model) else load(model, backend, precision, progress=download)
        info = IndexInfo(made.loaded_from or made.spec.name, made.fingerprint, made.spec.embed_dim, _now())
        return cls(create_index(place, info), made, location=place, backend=backend, precision=precision)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.index)

    def __repr__(self) -> str:
        """Number of images, model and location."""
        try:
            count = f"{len(self):,} images"
        except Exception:  # a store that does not answer; what shows objects must not fail
            count = "cannot be read"
        return f"<Gallery {self.location or type(self.index).__name__}: {count}, model {self.info.model}>"

    def _repr_html_(self) -> str:
        """The first images as a notebook shows them."""
        from wordsight.output.row_cards import render_index

        return render_index(repr(self)[1:-1], self.index)

    def __copy__(self) -> Gallery:
        """The gallery opened again: closing one leaves the other open."""
        return _open_again(
            self._lasting_location(),
            self._model or self._to_load,
            self._backend,
            self._precision,
            self.info.fingerprint,
        )

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Gallery:
        """As `copy`: the model is shared."""
        return self.__copy__()

    def __reduce__(self) -> tuple[Callable[..., Gallery], tuple[str, str, str, str, str]]:
        """Open it again elsewhere. Raises: InputError for an index in memory, or a model that has no name."""
        place, model, backend, precision = self._lasting_location(), self._to_load, self._backend, self._precision
        if self._model is not None:
            _, (model, backend, precision, _) = self._model.__reduce__()  # those in use, where "auto" was asked
        return _open_again, (place, model, backend, precision, self.info.fingerprint)

    def _lasting_location(self) -> str:
        if not self._from:
            raise InputError("This gallery was made of an Index object; open it by its location to copy or pickle it.")
        return self._from

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    @property
    def info(self) -> IndexInfo:
        """Model and format that the index was made with."""
        return self.index.info

    @property
    def model(self) -> Model:
        """The model, loaded on first use. Raises: StoreError if it is not the index's."""
        if self._model is None:
            try:
                if self._sent:
                    model = load_once(self._to_load, self._backend, self._precision, self.info.fingerprint)
                else:
                    model = load(self._to_load, self._backend, self._precision, progress=self._download)
            except (UnknownModelError, CheckpointError) as error:
                raise StoreError(
                    f"The index {self.location!r} was made with the model {self.info.model!r}, which cannot be "
                    f"opened: {error} Say where it is now with --model, or Gallery.open(…, model=…)."
                ) from error
            self._model = _check_model(model, self.info, self.location)
        return self._model

    @property
    def sources(self) -> dict[str, IngestOptions]:
        """Sources that the index follows → how they are read."""
        from wordsight.update.sources import read_sources

        return read_sources(self.index)

    def status(self) -> Status:
        """Contents of the index: images by source, size, model, columns, the tuned fusion."""
        from wordsight.update.status import read_status

        return read_status(self.index, self.location)

    def add(
        self,
        sources: Source | Iterable[Source | Given] | Any,
        *,
        image: str | None = None,
        id: str | None = None,
        options: IngestOptions | None = None,
        exact: bool = False,
        embed: Embed | None = None,
        progress: OnProgress | None = None,
    ) -> Summary:
        """Bring sources into the index: only what is new or changed since the last time is embedded.

        sources: paths of images, folders, tables, PDF and tar files, which the index follows from now on (`refresh`);
            or in-memory images: tuples (id, image) or (id, image, metadata), and `ingest.Item`s, which stay until
            they are removed. Not both in one call. With `image`, a table in memory, whose rows stay likewise: a
            DataFrame, an Arrow table, a list of dicts.
            A source that is recorded and no longer there is found again where it was moved to a named one, or beside
            the index (`Summary.moved`).
        image: the column that holds paths or images; of a table in a file too, where it is `options.image_column`.
        id: of a table in memory, the column of unique ids (see `ingest.frames.frame_units` for the default).
        options: how the sources are read; None: as the last time.
        exact: decode all pixels of large JPEGs. embed: embeds elsewhere, such as `update.on_ray.embedder`.

        Raises: InputError for a source that does not exist (nothing is changed then); StoreError where the index cannot
        be written (what was committed stays, and the next call resumes there). So does Ctrl-C.
        """
        from wordsight.ingest.options import IngestOptions
        from wordsight.update.given import read_given
        from wordsight.update.run import UpdateOptions
        from wordsight.update.sources import update_index

        how = UpdateOptions(exact=exact, embed=embed)
        given = read_given(sources, image=image, id=id, options=options)
        if given.units is not None:
            summary = update_index(self.index, lambda: self.model, given.units, options=how, progress=progress)
            return self._prepare_search(summary)
        if image is not None:
            options = dataclasses.replace(options or IngestOptions(), image_column=image)
        return self._prepare_search(self._followed().add(given.paths, options, how, progress))

    def refresh(
        self, *, exact: bool = False, embed: Embed | None = None, progress: OnProgress | None = None
    ) -> Summary:
        """Do for all recorded sources what `add` does. One that is not there now is skipped, and its images stay; so
        is one that cannot be opened. One that was moved together with the index is found again (`Summary.moved`).

        A source that is a single file leaves, if its folder is there and it is not.
        """
        from wordsight.update.run import UpdateOptions

        how = UpdateOptions(exact=exact, embed=embed)
        return self._prepare_search(self._followed().refresh(how, progress))

    def _followed(self) -> FollowedSources:
        from wordsight.update.sources import FollowedSources

        return FollowedSources(self.index, self.location, lambda: self.model)

    def _prepare_search(self, summary: Summary) -> Summary:
        """Embed and keep on disk what else the first search would have to embed."""
        if summary.embedded:
            from wordsight.search.reference import load_reference

            load_reference(self.model)
        return summary

    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        offset: int = 0,
        where: str | None = None,
        by: By = "auto",
        likely: bool = False,
        whiten: bool = False,
        fold: bool = False,
    ) -> Hits:
        """The k images that most probably answer a query, the most probable first.

        query: words; an image (Path, PIL, array, bytes, open file); or one query of several: a list of these, or of
        pairs (one of these, weight). The others, and what is raised: see `search.options.SearchOptions`.
        """
        from wordsight.search.options import SearchOptions
        from wordsight.search.query import search

        options = SearchOptions(k=k, offset=offset, where=where, by=by, likely=likely, whiten=whiten, fold=fold)
        return search(self.index, self.model, query, options)

    def search_many(self, queries: Iterable[Any], k: int = 10, **options: Any) -> list[Hits]:
        """Hits of each of many queries, in order: all are embedded in one batch.

        queries: each as in `search`, which takes the same options.
        """
        from wordsight.search.options import SearchOptions
        from wordsight.search.query import search_many

        return search_many(self.index, self.model, queries, SearchOptions(k=k, **options))

    def duplicates(self, threshold: float | None = None) -> list[Group]:
        """Groups of images that are nearly the same: see `duplicates.groups`."""
        from wordsight.duplicates.groups import duplicates

        return duplicates(self.index, threshold)

    def remove(self, names: Source | Iterable[Source]) -> int:
        """Remove images by id or path (of a document: all its pages); the number of images removed.

        Images of a source that is followed come back with the next `refresh`, while their files are there.
        """
        from wordsight.update.sources import remove_rows

        if isinstance(names, str | Path):
            names = [names]
        check_items("names", names, "an id or path, or a list of them")
        names = list(names)
        for name in names:
            check_path("The image to remove", name, "an id or path")
        wanted = {name if isinstance(name, str) else to_text(name) for name in names}
        wanted |= {to_text(os.path.abspath(to_path(name))) for name in wanted}
        return remove_rows(self.index, lambda version: version.id in wanted or version.path in wanted)

    def forget(self, source: Source) -> int:
        """Stop tracking a source and remove its images; the number of images removed.

        Those that another source holds too, such as a folder around this one, become that one's and stay.
        Raises: InputError for one that is not followed.
        """
        return self._followed().forget(source)


def _open_again(location: str, model: Model | str, backend: str, precision: str, fingerprint: str) -> Gallery:
    """Gallery that was pickled or copied. Raises: StoreError where another model's index is now."""
    gallery = Gallery.open(location, model=model, backend=backend, precision=precision)
    try:
        check_same_model(gallery.info, "the gallery that was pickled", fingerprint, gallery.info.dim, location)
    except StoreError:
        gallery.close()
        raise
    gallery._sent = True
    return gallery


def _check_model(model: Model, info: IndexInfo, location: str) -> Model:
    """The model. Raises: StoreError where the index was made with another."""
    check_same_model(info, model.loaded_from or model.spec.name, model.fingerprint, model.spec.embed_dim, location)
    return model


def _make_lasting(location: str) -> str:
    """The location as one that holds from any folder; "" where there is none."""
    if not location or not is_local(location):
        return location
    return os.path.abspath(location)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
