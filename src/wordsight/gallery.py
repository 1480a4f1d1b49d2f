"""A collection of images that can be searched: an index, the model it was made with, and the sources it follows."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from wordsight.errors import (
    CheckpointError,
    InputError,
    StoreError,
    UnknownModelError,
    WordsightError,
    did_you_mean,
)
from wordsight.images.decode import Skipped
from wordsight.index import STORES, Index, IndexInfo, RowVersion, create_index, open_index
from wordsight.index.base import check_same_model, is_part_of
from wordsight.locations import default_index
from wordsight.model import Model, lasting_name, load, load_once

if TYPE_CHECKING:  # what only writing needs is imported there: a search starts sooner
    from wordsight.duplicates.groups import Group
    from wordsight.ingest import Unit
    from wordsight.ingest.in_memory import Given
    from wordsight.ingest.options import IngestOptions
    from wordsight.search.hits import Hits
    from wordsight.search.query import By
    from wordsight.update.moved_sources import Move
    from wordsight.update.run import Embed, Progress, Summary, UpdateOptions

Source: TypeAlias = str | Path
OnProgress: TypeAlias = "Callable[[Progress], object]"
OnDownload: TypeAlias = Callable[[int, int], None]

SOURCES = "sources"  # note: source → how it is read
_AT_ONCE = 1024  # rows that are changed in one step


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
        self._model = _checked(model, index.info, location) if isinstance(model, Model) else None
        self._to_load = index.info.model if model is None or isinstance(model, Model) else lasting_name(model)
        self._from = _lasting_place(location)  # for other processes, and after a change of folder
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
        """Return the gallery of an index that is there.

        location: a folder, an address ("s3://…", "qdrant:…", "pinecone:…"), or None for the user's own index.
        model: needed only where the name that the index recorded does not lead to it.
        download: called with (bytes done, bytes in all) while a model's file is downloaded.
        Raises: StoreError if there is none, or it was made with another model.
        """
        where = _where(location)
        return cls(open_index(where), model, location=where, backend=backend, precision=precision, download=download)

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
        """Return the gallery of a new index, or of the one that is there if it was made with this model.

        model: a name, file or folder that `wordsight.load` takes, or a Model.
        Raises: StoreError for an index of another model, naming both; what `wordsight.load` raises.
        """
        where = _where(location)
        made = model if isinstance(model, Model) else load(model, backend, precision, progress=download)
        info = IndexInfo(made.loaded_from or made.spec.name, made.fingerprint, made.spec.embed_dim, _now())
        return cls(create_index(where, info), made, location=where, backend=backend, precision=precision)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.index)

    def __repr__(self) -> str:
        """Return how many images, of which model, where."""
        try:
            count = f"{len(self):,} images"
        except Exception:  # a store that does not answer; what shows objects must not fail
            count = "cannot be read"
        return f"<Gallery {self.location or type(self.index).__name__}: {count}, model {self.info.model}>"

    def _repr_html_(self) -> str:
        """Return the first images as a notebook shows them."""
        from wordsight.output.row_cards import html_of_index

        return html_of_index(repr(self)[1:-1], self.index)

    def __copy__(self) -> Gallery:
        """Return the gallery opened again: closing one leaves the other open."""
        return _open_again(
            self._place(), self._model or self._to_load, self._backend, self._precision, self.info.fingerprint
        )

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Gallery:
        """Return what `copy` does: the model is shared."""
        return self.__copy__()

    def __reduce__(self) -> tuple[Callable[..., Gallery], tuple[str, str, str, str, str]]:
        """Return how to open it again. Raises: InputError for an index in memory, or a model that has no name."""
        place, model, backend, precision = self._place(), self._to_load, self._backend, self._precision
        if self._model is not None:
            _, (model, backend, precision, _) = self._model.__reduce__()  # those in use, where "auto" was asked
        return _open_again, (place, model, backend, precision, self.info.fingerprint)

    def _place(self) -> str:
        if not self._from:
            raise InputError("This gallery was made of an Index object; open it by its location to copy or pickle it.")
        return self._from

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index."""
        self.index.close()

    @property
    def info(self) -> IndexInfo:
        """What the index was made with."""
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
            self._model = _checked(model, self.info, self.location)
        return self._model

    @property
    def sources(self) -> dict[str, IngestOptions]:
        """The sources that the index follows → how they are read."""
        recorded = self.index.note(SOURCES) or {}
        return {source: _options_of(said) for source, said in recorded.items()}

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
            A source that is recorded and no longer there is taken over where it was moved to a named one, or beside
            the index (`Summary.moved`).
        image: the column that holds paths or images; of a table in a file too, where it is `options.image_column`.
        id: of a table in memory, the column of unique ids (see `ingest.frames.frame_units` for what they are without).
        options: how the sources are read; None: as the last time.
        exact: decode all pixels of large JPEGs. embed: what embeds elsewhere, such as `update.on_ray.embedder`.

        Raises: InputError for a source that does not exist (nothing is changed then); StoreError where the index cannot
        be written (what was committed stays, and the next call continues there). So does Ctrl-C.
        """
        from wordsight.ingest import Item
        from wordsight.ingest.in_memory import given_units
        from wordsight.ingest.options import IngestOptions
        from wordsight.ingest.scan import is_there, scan, source_root
        from wordsight.update.moved_sources import find_copied
        from wordsight.update.run import UpdateOptions

        how = UpdateOptions(exact=exact, embed=embed)
        if image is not None and isinstance(sources, str | Path):
            options = dataclasses.replace(options or IngestOptions(), image_column=image)
        elif image is not None:
            from wordsight.ingest.frames import frame_units

            units = list(frame_units(sources, image, id=id, options=options))
            return self._update(lambda: iter(units), (), how, progress)
        if id is not None:
            raise InputError("id names a column of a table in memory; give the table with image=… too.")
        named = _named(sources)
        given = [source for source in named if isinstance(source, tuple | Item)]
        if given:
            if len(given) < len(named):
                raise InputError("Paths and images with ids are given together; add them in two calls.")
            return self._update(lambda: given_units(given), (), how, progress)
        if not named:
            raise InputError("No source was named; expected images, folders, tables, PDF or tar files.")
        recorded = self.sources
        paths = [source for source in named if isinstance(source, str | Path)]
        named_by = {source_root(path): path for path in paths}
        moves = self._moves(recorded, named_by)
        recorded = _after(moves, recorded)
        chosen = {root: options or recorded.get(root) or IngestOptions() for root in named_by}
        for root, path in named_by.items():
            scan(path, chosen[root])  # says at once what does not exist, before it is recorded
        summary = self._follow(chosen, how, progress, recorded=recorded | chosen, moves=moves)
        absent = [source for source in recorded if not is_there(source)]
        copied = find_copied(absent, self.index.row_versions() if absent else (), chosen)
        removed = sum(self.forget(source) for source in copied)
        return dataclasses.replace(summary, removed=summary.removed + removed, moved={**summary.moved, **copied})

    def refresh(
        self, *, exact: bool = False, embed: Embed | None = None, progress: OnProgress | None = None
    ) -> Summary:
        """Do for all recorded sources what `add` does. One that is not there now is skipped, and its images stay; so
        is one that cannot be opened. One that was moved together with the index is found again (`Summary.moved`).

        A source that is a single file leaves, if its folder is there and it is not.
        """
        from wordsight.ingest.scan import is_there
        from wordsight.path_text import to_path
        from wordsight.update.run import UpdateOptions

        recorded = self.sources
        if not recorded:
            raise InputError(f"The index {self.location!r} follows no source yet; name images or folders to add.")
        moves = self._moves(recorded, ())
        recorded = _after(moves, recorded)
        absent = [source for source in recorded if not is_there(source)]
        deleted = [source for source in absent if to_path(source).parent.is_dir() and self._was_file(source)]
        removed = sum(self.forget(source) for source in deleted)
        present = {source: options for source, options in recorded.items() if source not in absent}
        how = UpdateOptions(exact=exact, embed=embed)
        summary = self._follow(
            present, how, progress, recorded=recorded if moves else None, moves=moves, all_or_none=False
        )
        away = [source for source in absent if source not in deleted]
        return dataclasses.replace(
            summary,
            removed=summary.removed + removed,
            skipped=(*(Skipped(source, "is not there now") for source in away), *summary.skipped),
            kept=(*away, *summary.kept),
        )

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
        """Return the k images that most probably answer a query, the most probable first.

        query: words; an image (Path, PIL, array, bytes, open file); or one query of several: a list of these, or of
        pairs (one of these, weight). The others, and what is raised: see `search.query.run`.
        """
        from wordsight.search.query import run

        return run(
            self.index, self.model, query, k, offset=offset, where=where, by=by, likely=likely, whiten=whiten, fold=fold
        )

    def search_many(self, queries: Iterable[Any], k: int = 10, **options: Any) -> list[Hits]:
        """Return the hits of each of many queries, in order: all are embedded in one batch.

        queries: each as in `search`, of which the options are too.
        """
        from wordsight.search.query import run_many

        return run_many(self.index, self.model, queries, k, **options)

    def duplicates(self, threshold: float | None = None) -> list[Group]:
        """Return groups of images that are nearly the same: see `duplicates.groups`."""
        from wordsight.duplicates.groups import duplicates

        return duplicates(self.index, threshold)

    def remove(self, names: Source | Iterable[Source]) -> int:
        """Remove images by id or path (of a document: all its pages), and return how many there were.

        Images of a source that is followed come back with the next `refresh`, while their files are there.
        """
        from wordsight.path_text import to_path, to_text

        asked = [names] if isinstance(names, str | Path) else list(names)
        wanted = {name if isinstance(name, str) else to_text(name) for name in asked}
        wanted |= {to_text(os.path.abspath(to_path(name))) for name in wanted}
        return self._remove(lambda version: version.id in wanted or version.path in wanted)

    def forget(self, source: Source) -> int:
        """Follow a source no longer and remove its images; return how many there were.

        Those that another source holds too, such as a folder around this one, become that one's and stay.
        Raises: InputError for one that is not followed.
        """
        from wordsight.ingest.scan import source_root

        recorded = self.sources
        root = str(source) if str(source) in recorded else source_root(source)
        if root not in recorded:
            followed = ", ".join(map(repr, recorded)) or "none"
            hint = did_you_mean(root, recorded)
            raise InputError(f"The source {str(source)!r} is not followed by this index; it follows {followed}.{hint}")
        others = {name: options for name, options in recorded.items() if name != root}
        self._hand_over(root, others)
        removed = self._remove(lambda version: version.source == root)
        self._record(others)
        return removed

    def _hand_over(self, source: str, others: Mapping[str, IngestOptions]) -> None:
        """Make images of a source those of another one that lists the same files."""
        from wordsight.ingest import Unit
        from wordsight.path_text import to_path

        near = {name: options for name, options in others.items() if _overlap(name, source)}
        if not near:
            return
        ids_of: defaultdict[str, list[str]] = defaultdict(list)
        for version in self.index.row_versions():
            if version.source == source and version.in_file and os.path.lexists(to_path(version.path)):
                ids_of[version.path].append(version.id)
        if not ids_of:
            return
        taken_by: dict[str, str] = {}  # id → source
        for unit in _scan(near, all_or_none=False):
            if isinstance(unit, Unit):
                taken_by.update(dict.fromkeys(ids_of.pop(unit.path, ()), unit.source))
        ids = list(taken_by)
        try:
            for start in range(0, len(ids), _AT_ONCE):
                rows = self.index.get(ids[start : start + _AT_ONCE])
                self.index.add([dataclasses.replace(row, source=taken_by[row.id]) for row in rows])
        finally:
            self.index.optimise()

    def _remove(self, wanted: Callable[[RowVersion], bool]) -> int:
        ids = [version.id for version in self.index.row_versions() if wanted(version)]
        if ids:
            self.index.remove(ids)
            self.index.optimise()
        return len(ids)

    def _was_file(self, source: str) -> bool:
        return any(
            s.path == source or is_part_of(s.id, source) for s in self.index.row_versions() if s.source == source
        )

    def _record(self, sources: Mapping[str, IngestOptions]) -> None:
        note = {source: dataclasses.asdict(options) for source, options in sources.items()}
        self.index.set_note(SOURCES, note)

    def _follow(
        self,
        sources: Mapping[str, IngestOptions],
        how: UpdateOptions,
        progress: OnProgress | None,
        *,
        recorded: Mapping[str, IngestOptions] | None = None,
        moves: Sequence[Move] = (),
        all_or_none: bool = True,
    ) -> Summary:
        """Bring sources into the index. recorded: what it follows from now on, where that changes."""
        from wordsight.update.moved_sources import relocate

        def prepare() -> None:  # once the index is ours to write: one that is in use does not record what it refuses
            if moves:  # killed in the midst, the next run knows both and goes on
                self._record({**self.sources, **(recorded or {})})
                relocate(self.index, moves)
            if recorded is not None and recorded != self.sources:
                self._record(recorded)

        masked = frozenset(source for source, options in sources.items() if options.mask_title_block)
        how = dataclasses.replace(how, masked=masked)
        summary = self._update(lambda: _scan(sources, all_or_none), tuple(sources), how, progress, prepare)
        return dataclasses.replace(summary, moved={move.source: move.into for move in moves})

    def _moves(self, recorded: Mapping[str, IngestOptions], named: Iterable[str]) -> list[Move]:
        """Return where recorded sources that are not there were moved to, as far as that is found."""
        from wordsight.ingest.scan import is_there
        from wordsight.update.moved_sources import find_moves, folders_around

        absent = [source for source in recorded if not is_there(source)]
        around = folders_around(self.location)
        return find_moves(absent, self.index.row_versions(), named, around) if absent else []

    def _update(
        self,
        units: Callable[[], Iterator[Unit | Skipped]],
        roots: Sequence[str],
        how: UpdateOptions,
        progress: OnProgress | None,
        prepare: Callable[[], object] = lambda: None,
    ) -> Summary:
        from wordsight.update.counting import counted
        from wordsight.update.run import update

        try:
            self.index.begin_writing()  # before anything is read or embedded that could not be kept
            prepare()
            with counted(units, progress) as report:
                summary = update(self.index, self.model, units(), roots, options=how, progress=report)
        except BaseException:
            with contextlib.suppress(WordsightError):  # what stopped it matters more
                self.index.optimise()  # the right to write goes back: others may go on
            raise
        self.index.optimise()
        if summary.embedded:
            from wordsight.search.reference import reference_of

            reference_of(self.model)  # kept on disk: else the first search would have to embed it
        return summary


def _open_again(location: str, model: Model | str, backend: str, precision: str, fingerprint: str) -> Gallery:
    """Return the gallery that was pickled or copied. Raises: StoreError where another model's index is now."""
    gallery = Gallery.open(location, model=model, backend=backend, precision=precision)
    try:
        check_same_model(gallery.info, "the gallery that was pickled", fingerprint, gallery.info.dim, location)
    except StoreError:
        gallery.close()
        raise
    gallery._sent = True
    return gallery


def _named(sources: Any) -> list[Any]:
    """Return the sources of a call to `add`. Raises: InputError for other kinds, and tables without `image`."""
    from wordsight.images.inputs import is_frame
    from wordsight.ingest import Item

    if is_frame(sources):
        kind = type(sources).__name__
        raise InputError(
            f"A table is given ({kind}); say which column holds the images: gallery.add(df, image='path')."
        )
    named = [sources] if isinstance(sources, str | Path) or not isinstance(sources, Iterable) else [*sources]
    for source in named:
        if not isinstance(source, str | Path | tuple | Item):
            hint = "; for a list of dicts, name the column of images: image='path'" if isinstance(source, dict) else ""
            kind = type(source).__name__
            raise InputError(f"A source is given as {kind}, expected a path, or a list of tuples (id, image){hint}.")
    return named


def _folder_of(source: str) -> str:
    """Return a source, or the folder in which a pattern looks."""
    fixed = re.split(r"[*?[]", source)[0]
    return source if fixed == source else os.path.dirname(fixed)


def _after(moves: Sequence[Move], sources: Mapping[str, IngestOptions]) -> dict[str, IngestOptions]:
    """Return the sources as they are called after moves; one that a folder above takes in is no longer one."""
    left = {name: options for name, options in sources.items() if name not in {move.source for move in moves}}
    renamed = [move for move in moves if move.place == move.into and move.into not in left]
    return left | {move.into: sources[move.source] for move in renamed}


def _overlap(a: str, b: str) -> bool:
    """Return whether one of two sources lies in the other; a pattern, in its folder, may."""
    a, b = _folder_of(a), _folder_of(b)
    return a == b or a.startswith(os.path.join(b, "")) or b.startswith(os.path.join(a, ""))


def _scan(sources: Mapping[str, IngestOptions], all_or_none: bool) -> Iterator[Unit | Skipped]:
    """Return the units of sources. One that cannot be opened is an InputError, or else `Unlisted`."""
    from wordsight.ingest import Unlisted
    from wordsight.ingest.scan import scan

    found: list[Iterable[Unit | Skipped]] = []
    for source, options in sources.items():
        try:
            found.append(scan([source], options))
        except InputError as error:
            if all_or_none:
                raise
            found.append([Unlisted(source, str(error))])
    return itertools.chain.from_iterable(found)


def _options_of(said: Mapping[str, Any]) -> IngestOptions:
    """Return the options that a note holds; what another version wrote and this one does not know is passed over."""
    from wordsight.ingest.options import IngestOptions

    known = {field.name for field in dataclasses.fields(IngestOptions)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said.items() if key in known
    }
    return IngestOptions(**values)


def _checked(model: Model, info: IndexInfo, location: str) -> Model:
    check_same_model(info, model.loaded_from or model.spec.name, model.fingerprint, model.spec.embed_dim, location)
    return model


def _where(location: Source | None) -> str:
    if location is None:
        return str(default_index())
    return os.fspath(location)


def _lasting_place(location: str) -> str:
    """Return a location as one that holds from any folder; "" of none."""
    is_folder = location and "://" not in location and not location.startswith(tuple(STORES))
    return os.path.abspath(location) if is_folder else location


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
