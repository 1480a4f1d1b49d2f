"""Fetch a model that the user named, once: from the Hugging Face hub into its cache, or from a URL into ours."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from wordsight.errors import CheckpointError, InputError, OfflineError, UnknownModelError
from wordsight.hashes import compute_sha256
from wordsight.locations import cache_dir
from wordsight.weights import file_names

Progress = Callable[[int, int], None]
_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte


def _hint(what: str, folder: str) -> str:
    return (
        f"On a machine with a network: `{what}`; copy {folder} here and give its path instead of the name. "
        "The model `mini` is part of the package and needs no network."
    )


def choose_files(available: list[str]) -> list[str]:
    """Files of a repository to fetch: configuration, tokenizer, one set of weights, an adapter to them.

    With sentence-transformers' `modules.json` those may lie in a subfolder.
    Raises: CheckpointError where there are no weights that wordsight reads.
    """
    if chosen := _choose(available):
        return chosen
    if file_names.MODULES in available:
        for folder in sorted({name.split("/")[0] for name in available if re.fullmatch(r"\d+_[\w-]+/.+", name)}):
            inside = _choose([name.removeprefix(f"{folder}/") for name in available if name.startswith(f"{folder}/")])
            if inside:
                return [file_names.MODULES, *(f"{folder}/{name}" for name in inside)]
    raise CheckpointError(
        f"It holds {', '.join(available[:6]) or 'nothing'}: no weights in Hugging Face's or open_clip's layout."
    )


def _choose(available: list[str]) -> list[str]:
    configs = [name for name in (*file_names.SMALL_FILES, *file_names.ADAPTER_WEIGHTS) if name in available]
    for weights in file_names.FETCHED_WEIGHTS:
        if weights not in available or (
            weights.startswith("open_clip") and file_names.OPEN_CLIP_CONFIG not in available
        ):
            continue
        if weights.endswith(file_names.INDEX):
            stem, ending = weights.removesuffix(file_names.INDEX).rsplit(".", 1)
            shards = [n for n in available if re.fullmatch(rf"{re.escape(stem)}-\d+-of-\d+\.{ending}", n)]
            return [*configs, weights, *shards]
        return [*configs, weights]
    if file_names.ADAPTER_CONFIG in available:  # alone: the reader says what to do with it
        return configs
    return []


def fetch_repo(repo: str) -> Path:
    """Local folder of a hub repository `org/name` or `org/name@revision`, fetching what is missing.

    Raises: UnknownModelError for a repository that does not exist or is closed; OfflineError without a network.
    """
    repo_id, _, revision = repo.strip("/").partition("@")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repo_id):
        raise UnknownModelError(f"The hub repository is {repo!r}, expected hf-hub:organisation/name.")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        # one request; `list_repo_files` would try six times, 23 seconds, where there is no network
        about = huggingface_hub.HfApi().model_info(repo_id, revision=revision or None)
        wanted = choose_files([file.rfilename for file in about.siblings or ()])
        return Path(huggingface_hub.snapshot_download(repo_id, revision=revision or None, allow_patterns=wanted))
    except CheckpointError:
        raise
    except (errors.GatedRepoError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        if (cached := _cached(repo_id, revision)) is not None:
            return cached
        raise UnknownModelError(
            f"The hub has no open repository {repo!r}. Check the spelling; for a closed one, accept its terms on its "
            "page and log in with `hf auth login`."
        ) from error
    except Exception as error:  # the hub's client has no common base: httpx, requests and OS errors
        if (cached := _cached(repo_id, revision)) is not None:
            return cached
        reason = str(error).strip().split("\n")[0][:120]
        raise OfflineError(
            f"hf-hub:{repo} could not be fetched ({type(error).__name__}: {reason}) and is not in the hub's cache. "
            + _hint(f"hf download {repo_id}", "the printed folder")
        ) from error


def _cached(repo_id: str, revision: str) -> Path | None:
    import huggingface_hub

    try:
        folder = Path(huggingface_hub.snapshot_download(repo_id, revision=revision or None, local_files_only=True))
        choose_files([str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()])
    except Exception:  # not in the cache, or not whole: the caller says what happened first
        return None
    return folder


def fetch_url(url: str, *, sha256: str = "", progress: Progress | None = None) -> Path:
    """Local copy of a file, fetching it on first use; a broken-off fetch is resumed.

    Of several callers that want one file at once, one fetches it while the others wait.

    sha256: the file's, or its first hex digits; checked before the file gets its name.

    Raises: OfflineError without a network; CheckpointError for a file with another hash.
    """
    name = url.rsplit("/", 1)[1]
    target = cache_dir("weights") / f"{(sha256 or hashlib.sha256(url.encode()).hexdigest())[:12]}-{name}"
    if target.is_file():
        return target
    if not url.startswith("https://"):
        raise OfflineError(f"{url} is not an https URL; nothing was fetched.")
    import filelock

    part = target.with_name(target.name + ".part")
    lock = cache_dir("locks") / f"{target.name}.lock"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock):
            if not target.is_file():  # another may have fetched it meanwhile
                _download(url, part, progress)
                _check_sha256(part, url, sha256)
                os.replace(part, target)
    except (OSError, http.client.HTTPException) as error:  # OSError: URLError too
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk of {part.parent} is full; free some space and call again.") from error
        raise OfflineError(
            f"{url} could not be fetched ({error}). What was fetched is kept, and the next call resumes from there. "
            + _hint(f"curl -LO {url}", name)
        ) from error
    return target


def _check_sha256(part: Path, url: str, expected: str) -> None:
    """Remove a fetched file that does not have the hash, or the hash's first digits, and raise CheckpointError."""
    seen = compute_sha256(part)
    if not seen.startswith(expected):
        part.unlink()
        raise CheckpointError(
            f"{url} came with the SHA-256 {seen}, expected {expected}: it was damaged or replaced on the way. "
            "It was discarded; try again, and from another network if that does not help."
        )


def _download(url: str, part: Path, progress: Progress | None) -> None:
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url)
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: nothing is left to fetch
            raise
        return
    with response:
        if done and response.status != 206:  # the server sends the whole file again
            done = 0
        total = done + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if done else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
    if total and done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")
