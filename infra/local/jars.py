"""The broker's jars: fetched by coordinates, checked against pinned hashes, kept in a cache.

The coordinates and hashes are in ``kafka-jars.lock``. Where they are fetched from is the business
of ``jgo`` and its settings file, or of ``SUANLI_JARS_REPOSITORY`` (the address of a mirror).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from infra.local.errors import JarChecksumError, RegistryUnreachableError, not_installed
from infra.local.locks import exclusive
from services.core.errors import Message

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

KAFKA_COORDINATE = "org.apache.kafka:kafka_2.13:4.4.0"
BINDING_COORDINATE = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
"""Carries Kafka's log lines to log4j, whose jars Kafka brings; without it Kafka is mute."""

LOCK_PATH = Path(__file__).with_name("kafka-jars.lock")
REPOSITORY_VARIABLE = "SUANLI_JARS_REPOSITORY"

_DOWNLOADS_AT_ONCE = 4
_ATTEMPTS_MAX = 3
_TIMEOUT_S = 10
_LOCK_WAIT_S = 300.0
# Another command may be fetching the same jars over a slow line.

_Update = Callable[[int], None]
_Progress = Callable[[str, int], AbstractContextManager[_Update]]


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar.

    Attributes:
        coordinate: ``group:artifact:version``.
        sha256: Hash of the file, hexadecimal.
        size_bytes: Size of the file.
    """

    coordinate: str
    sha256: str
    size_bytes: int

    @property
    def filename(self) -> str:
        """Return the name of the file."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(path: Path = LOCK_PATH) -> tuple[Jar, ...]:
    """Return the pinned jars.

    Args:
        path: Lock file; a line is ``coordinate sha256 bytes``, ``#`` starts a comment.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return tuple(Jar(coordinate, sha256, int(size)) for coordinate, sha256, size in rows)


def ensure_jars(cache_dir: Path, *, quiet: bool | None = None) -> Path:
    """Return the folder with exactly the pinned jars, fetching those that are not there yet.

    Args:
        cache_dir: Cache shared by all stacks of this user.
        quiet: Whether to show no progress; by default when standard error is not a terminal.

    Raises:
        RegistryUnreachableError: A jar could not be fetched.
        JarChecksumError: A fetched jar is not the pinned one.
    """
    jars = read_lock()
    digest = hashlib.sha256(LOCK_PATH.read_bytes()).hexdigest()[:12]
    folder = cache_dir / f"kafka-{digest}"
    missing = _missing(jars, folder)
    if not missing:
        return folder
    with exclusive(cache_dir / f"kafka-{digest}.lock", wait_s=_LOCK_WAIT_S):
        missing = _missing(jars, folder)
        if missing:
            folder.mkdir(exist_ok=True)
            _fetch(missing, folder, quiet=not _is_terminal() if quiet is None else quiet)
    return folder


def write_lock(path: Path = LOCK_PATH) -> int:
    """Resolve the broker's dependencies and pin them; for those who raise its version.

    Returns:
        How many jars were pinned.
    """
    with tempfile.TemporaryDirectory() as scratch:
        context = _context(Path(scratch), None)
        kafka = context.create_dependency(KAFKA_COORDINATE)
        # The binding is added by itself: resolved together, its managed versions would win.
        direct, transitive = context.resolver.resolve([kafka])
        artifacts = [dependency.artifact for dependency in (*direct, *transitive)]
        artifacts.append(context.create_dependency(BINDING_COORDINATE).artifact)
        rows = []
        for artifact in artifacts:
            file = artifact.resolve()
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            rows.append(f"{coordinate} {_sha256(file)} {file.stat().st_size}\n")
    head = "# Jars of the embedded broker: coordinate, SHA-256, bytes.\n"
    head += "# Written by `python -m infra.local lock-jars`; read a change of it as new code.\n"
    path.write_text(head + "".join(sorted(rows)), encoding="utf-8")
    return len(rows)


def _missing(jars: Sequence[Jar], folder: Path) -> list[Jar]:
    # Hashing all of it takes a tenth of a second, and a damaged jar fails in baffling ways.
    return [jar for jar in jars if not _is_intact(jar, folder / jar.filename)]


def _is_intact(jar: Jar, path: Path) -> bool:
    try:
        return path.stat().st_size == jar.size_bytes and _sha256(path) == jar.sha256
    except FileNotFoundError:
        return False


def _fetch(jars: Sequence[Jar], folder: Path, *, quiet: bool) -> None:
    # Downloads go to a folder of their own and are moved in once checked, so that a command that
    # is killed leaves no half jar under a final name.
    scratch = Path(tempfile.mkdtemp(prefix="fetch-", dir=folder.parent))
    shown: AbstractContextManager[_Bar | None] = nullcontext() if quiet else _bar(jars)
    try:
        with shown as bar, ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as workers:
            context = _context(scratch, None if bar is None else bar.callback)
            pending = [workers.submit(_fetch_one, jar, context, folder, bar) for jar in jars]
            try:
                for future in pending:
                    future.result()
            finally:
                workers.shutdown(wait=True, cancel_futures=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch_one(jar: Jar, context: MavenContext, folder: Path, bar: _Bar | None) -> None:
    artifact = context.create_dependency(jar.coordinate).artifact
    file = _download(jar, artifact, list(context.remote_repos.values()))
    actual = _sha256(file)
    if actual != jar.sha256:
        raise JarChecksumError(
            "local.jar_checksum",
            Message(
                f"{jar.coordinate} was altered on its way: its SHA-256 should be {jar.sha256}, "
                f"was {actual}. Check the mirror or proxy that it came through.",
                f"{jar.coordinate} 在传输中被改动：SHA-256 应为 {jar.sha256}，实为 {actual}。"
                "请检查所用的镜像或代理。",
            ),
            field=jar.coordinate,
            value=actual,
            allowed=jar.sha256,
        )
    # Another file system's rename would copy; the scratch folder is beside the target.
    file.replace(folder / jar.filename)
    if bar is not None:
        bar.done()


def _download(jar: Jar, artifact: Artifact, repositories: list[str]) -> Path:
    cause: Exception | None = None
    for attempt in range(_ATTEMPTS_MAX):
        time.sleep(attempt * 0.5)
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
        try:
            return artifact.resolve()
        except OSError as error:
            # What the HTTP library raises derives from OSError: no route, no name, time-out, reset.
            cause = error
        except RuntimeError as error:
            # jgo's own "not found in remote repositories"; asking again gives the same answer.
            cause = error
            break
    where = ", ".join(repositories)
    reason = _reason(cause)
    raise RegistryUnreachableError(
        "local.registry_unreachable",
        Message(
            f"Could not fetch {jar.coordinate} (needed once, for the embedded Kafka) from {where}: "
            f"{reason.en}. Check the network connection and the proxy "
            "(HTTPS_PROXY), or name a mirror in jgo's settings or in "
            f"{REPOSITORY_VARIABLE}, then run the command again; what was fetched is kept.",
            f"无法从 {where} 获取 {jar.coordinate}（内置 Kafka 首次启动时需要）："
            f"{reason.zh}。请检查网络连接和代理（HTTPS_PROXY），或在 jgo 配置或 "
            f"{REPOSITORY_VARIABLE} 中指定镜像，然后重新运行；已下载的文件会保留。",
        ),
        field=jar.coordinate,
        value=where,
    ) from cause


def _reason(cause: Exception | None) -> Message:
    if isinstance(cause, RuntimeError):
        return Message("it answered, but not with this file", "服务器有应答，但未提供该文件")
    # The HTTP library's classes are not imported for their names alone.
    if "Timeout" in type(cause).__name__:
        return Message(f"no answer within {_TIMEOUT_S} s", f"{_TIMEOUT_S} 秒内没有应答")
    return Message("no connection", "无法建立连接")


def _context(repo_cache: Path, progress: _Progress | None) -> MavenContext:
    # Imported here: the deployed services import this package too, without the embedded stack.
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise not_installed() from error
    mirror = os.environ.get(REPOSITORY_VARIABLE)
    configured = {"mirror": mirror} if mirror else dict(GlobalSettings.load().repositories)
    return MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=repo_cache,
        remote_repos=configured or None,
        timeout=_TIMEOUT_S,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_terminal() -> bool:
    return Console(stderr=True).is_terminal


class _Bar:
    """A progress bar over all jars, fed by jgo's per-file callback."""

    def __init__(self, progress: Progress, jars: Sequence[Jar]) -> None:
        self._progress = progress
        self._count = len(jars)
        self._done = 0
        total = sum(jar.size_bytes for jar in jars)
        self._task = progress.add_task("", total=total, done=0, count=self._count)

    @contextmanager
    def callback(self, _filename: str, _size_bytes: int) -> Iterator[_Update]:
        yield lambda size_bytes: self._progress.advance(self._task, size_bytes)

    def done(self) -> None:
        self._done += 1
        self._progress.update(self._task, done=self._done)


@contextmanager
def _bar(jars: Sequence[Jar]) -> Iterator[_Bar]:
    columns = (
        TextColumn("Fetching Kafka 正在下载 {task.fields[done]}/{task.fields[count]}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(progress, jars)
