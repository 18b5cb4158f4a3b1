"""The disk cache: what the compiler made of a graph in an earlier process.

An entry is a file in a directory of the user's own, named by a key: a hash of everything that what it holds depends
on. `LUCID_CACHE_DIR` names another directory, `LUCID_CACHE=0` turns the cache off, `LUCID_CACHE_SIZE` bounds it
(`512M` by default): the entries that have not been used for longest go first.

Machine code that is loaded from a file runs with all rights of the process. So the directory and the file must belong
to the user, must not be links, and nobody else may be able to write them; else the cache warns and stays aside. The
directory is the user's alone (0700): one that others may look into is closed to them, or, where it holds things other
than the cache's, refused. A checksum tells damage. An entry is written to another name first, so that any number of
processes may read and write.

No failure of the file system reaches the caller: then there is no cache. Records: docs/decisions/0007-disk-cache.md.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import itertools
import json
import os
import re
import stat
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucid.errors import CacheWarning

ENABLED_VARIABLE = "LUCID_CACHE"
DIRECTORY_VARIABLE = "LUCID_CACHE_DIR"
SIZE_VARIABLE = "LUCID_CACHE_SIZE"
DEFAULT_SIZE = 512 << 20  # bytes
UNSEEN = 64  # a process may store one part in so many of the bound before it looks at all files again

FORMAT = "lucid-cache 1"  # of a file, and a part of every key: another layout of plans or notes is another number
SUFFIX = ".lucid"
_OURS = re.compile(r"[0-9a-f]{64}(\.lucid|\.[0-9a-f]{16}\.tmp)")
_SIZE = re.compile(r"\s*(\d+)([KMG]?)\s*", re.ASCII | re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT)  # the last as in /proc

# What a graph becomes is decided by these parts of the package; the rest of it decides what the graph is.
_SOURCES = ("ir", "codegen", "compilation.py", "joint.py")


@dataclass(frozen=True)
class Entry:
    """What is stored under a key: data that JSON can hold, and blobs of bytes."""

    data: Any
    blobs: tuple[bytes, ...]

    def to_bytes(self, key: str) -> bytes:
        """The file: a line with the format and the checksum of what follows, a line of JSON, the blobs."""
        header = json.dumps({"key": key, "data": self.data, "sizes": [len(blob) for blob in self.blobs]})
        body = b"\n".join([header.encode(), b"".join(self.blobs)])
        return b"\n".join([f"{FORMAT} {_checksum(body)}".encode(), body])

    @classmethod
    def from_bytes(cls, raw: bytes, key: str) -> Entry:
        """Read a file. Raises ValueError where it is not, bit for bit, what `to_bytes` wrote for this key."""
        first, _, body = raw.partition(b"\n")
        if first != f"{FORMAT} {_checksum(body)}".encode():
            raise ValueError("its checksum is wrong")
        line, _, blobs = body.partition(b"\n")
        header = json.loads(line)
        if header["key"] != key:
            raise ValueError("it is that of another key")
        ends = [0]
        for size in header["sizes"]:
            ends.append(ends[-1] + size)
        return cls(header["data"], tuple(blobs[a:b] for a, b in itertools.pairwise(ends)))


def key_of(parts: Sequence[str]) -> str:
    """The key of an entry that depends on some texts, and on Lucid's sources."""
    text = json.dumps([FORMAT, sources(), *parts])
    return _checksum(text.encode())


@functools.cache
def sources() -> str:
    """A hash of the sources that decide what a graph becomes; 2 ms, once a process.

    It is of what they contain: times of files are the same for all files in some installations. Empty where there are
    no sources to read, as in an archive.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    hashed = hashlib.sha256()
    try:
        for name in _SOURCES:
            found = os.walk(os.path.join(package, name))  # nothing where it is a file
            paths = sorted(os.path.join(folder, file) for folder, _, files in found for file in files)
            for path in [path for path in paths if path.endswith(".py")] or [os.path.join(package, name)]:
                with open(path, "rb", buffering=0) as file:
                    content = file.read()
                hashed.update(f"{path[len(package) :]} {len(content)}\n".encode())
                hashed.update(content)
    except OSError:
        return ""
    return hashed.hexdigest()


def fetch(key: str) -> Entry | None:
    """The entry of a key, or None where there is none that can be trusted. It counts as used."""
    path = directory()
    if path is None:
        return None
    _expect_size()  # here, too: where all is found, nothing is stored
    name = key + SUFFIX
    try:
        with _opened_folder(path) as folder:
            with _opened(name, 0, folder, within=path) as file, open(file, "rb", closefd=False) as reader:
                raw = reader.read()
            os.utime(name, dir_fd=folder)
    except _RefusedError as refused:
        _warn_once(f"{refused}; compiling without it.")
        return None
    except OSError:
        return None
    try:
        return Entry.from_bytes(raw, key)
    except (ValueError, KeyError, TypeError) as problem:
        damage = f"the file {path / name} of the disk cache is damaged: {problem}; compiling again."
        _warn_once(f"{damage} Other damaged files are not told of.", kind="damage")
        return None


def store(key: str, entry: Entry) -> None:
    """Keep an entry, in place of an older one of its key, and drop the least recently used beyond the bound."""
    _expect_size()
    path, raw, bound = directory(), entry.to_bytes(key), _bound()
    if path is None or len(raw) > bound:
        return
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened_folder(path) as folder:
            _replace(folder, key, raw)
            _keep_within(bound, folder, len(raw))
    except _RefusedError as refused:
        _warn_once(f"{refused}; compiling without it.")
    except OSError as error:  # a full disk, a home that is read-only
        if os.environ.get(DIRECTORY_VARIABLE) and error.errno in _UNWRITABLE:
            _warn_once(f"{path}, which {DIRECTORY_VARIABLE} names, can't be written: {error.strerror}.")


def directory() -> Path | None:
    """Where the cache is, or None where it is turned off or can't be."""
    enabled = os.environ.get(ENABLED_VARIABLE, "")
    if enabled not in ("", "0", "1"):
        _warn_once(f"{ENABLED_VARIABLE} takes 0 or 1, got {enabled!r}; the disk cache is used.")
    if enabled == "0" or os.name != "posix" or not sources():
        return None
    if chosen := os.environ.get(DIRECTORY_VARIABLE):
        return Path(chosen)
    if os.path.isabs(base := os.environ.get("XDG_CACHE_HOME", "")):
        return Path(base, "lucid")
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        return None
    return Path(home, "Library/Caches" if sys.platform == "darwin" else ".cache", "lucid")


def usage() -> tuple[int, int]:
    """How many entries there are, and their bytes."""
    path = directory()
    try:
        with os.scandir(path) if path is not None else contextlib.nullcontext(()) as found:
            sizes = [entry.stat(follow_symlinks=False).st_size for entry in found if _OURS.fullmatch(entry.name)]
    except OSError:  # there is none yet
        return 0, 0
    return len(sizes), sum(sizes)


@dataclass
class _Unseen:
    """What of that part is `left`, and whose it is: of a process, a directory as the system knows it, and a bound. Any
    other begins with a look at all files, a forked child's too."""

    owner: tuple[int, int, int, int] | None = None
    left: int = 0


_unseen = _Unseen()


class _RefusedError(Exception):
    """A directory or a file that others may have written. The message is the beginning of a sentence."""


@contextlib.contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    """A descriptor of the cache's directory, which this user alone may enter from now on."""
    with _opened(path, os.O_DIRECTORY) as folder:
        if os.fstat(folder).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            with os.scandir(folder) as found:
                if not all(_OURS.fullmatch(entry.name) for entry in found):
                    raise _RefusedError(
                        f"{path}, for the disk cache, is open to others and holds other files (chmod go= helps)"
                    )
            os.fchmod(folder, stat.S_IRWXU)
        yield folder


@contextlib.contextmanager
def _opened(path: Path | str, kind: int, folder: int | None = None, within: Path = Path()) -> Iterator[int]:
    """A descriptor of a directory or of a file in a folder, open for reading, if only this user can write it.

    What is checked is what is open, so nobody can exchange it in between.
    """
    shown = within / path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and (folder is not None or os.path.lexists(path)):
            raise _RefusedError(f"{shown}, for the disk cache, is a link, or not a directory") from None
        raise
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise _RefusedError(f"{shown}, of the disk cache, belongs to another user")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _RefusedError(f"{shown}, of the disk cache, can be written by others (chmod go-w helps)")
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(folder: int, key: str, raw: bytes) -> None:
    """Write a file under another name, then rename it: readers see the old one or the new one."""
    temporary = f"{key}.{os.urandom(8).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with open(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(raw)
        os.replace(temporary, key + SUFFIX, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _keep_within(bound: int, folder: int, stored: int) -> None:
    """Trim the directory where a process stores for the first time, or with another bound or directory than the last
    time, and whenever it has stored a part of the bound: looking at all files takes 3 us each, which is too long to be
    done for each that is stored."""
    status = os.fstat(folder)
    owner = os.getpid(), status.st_dev, status.st_ino, bound
    _unseen.left = (_unseen.left if _unseen.owner == owner else 0) - stored
    if _unseen.left < 0:
        _trim(folder, bound)
        _unseen.left = bound // UNSEEN
    _unseen.owner = owner


def _trim(folder: int, bound: int) -> None:
    """Remove the least recently used files of ours until the others have at most `bound` bytes."""
    files = []
    with os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(FileNotFoundError):  # another process has renamed or removed it since
                if _OURS.fullmatch(entry.name):
                    files.append((entry.stat(follow_symlinks=False), entry.name))
    size = sum(status.st_size for status, _ in files)
    for status, name in sorted(files, key=lambda file: file[0].st_mtime_ns):
        if size <= bound:
            return
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            os.unlink(name, dir_fd=folder)
        size -= status.st_size


def _bound() -> int:
    """The bytes that the cache may take."""
    match = _SIZE.fullmatch(os.environ.get(SIZE_VARIABLE, ""))
    return int(match[1]) * _UNITS[match[2].upper()] if match else DEFAULT_SIZE


def _expect_size() -> None:
    """Warn where the environment bounds the cache by what is no size."""
    if (text := os.environ.get(SIZE_VARIABLE)) and not _SIZE.fullmatch(text):
        _warn_once(f"{SIZE_VARIABLE} takes a number of bytes such as 512M, got {text!r}; the bound is 512M.")


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_warnings: set[str] = set()


def _warn_once(message: str, kind: str | None = None) -> None:
    """Warn, if that has not been done with this message, or with one of this kind."""
    if (told := kind or message) not in _warnings:
        warnings.warn(message, CacheWarning, stacklevel=3)
        _warnings.add(told)
