"""A disk that is full or read-only while the pipeline runs: a clear stop, nothing half-visible, and it goes on when there is room.

The disk is a small tmpfs in a mount namespace of a child process; where that is not allowed, a limit on the size of files.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killing import AT_ONCE, child, make, run
from remains import half_visible, remains

from mainstem import signals
from mainstem.errors import TransientError

NEWNS, NEWUSER = 0x20000, 0x10000000
RDONLY, REMOUNT, BIND, REC, PRIVATE = 1, 32, 4096, 16384, 1 << 18
ROOM = 80                                 # KiB more at every try


def call(function: str, *arguments: Any) -> None:
    """A function of libc that says by -1 that it failed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*[argument.encode() if isinstance(argument, str) else argument for argument in arguments]):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), function)


def own_mounts() -> None:
    """From here on what this process mounts is seen by nobody else."""
    user, group = os.getuid(), os.getgid()
    call("unshare", NEWNS | (NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    call("mount", "none", "/", None, REC | PRIVATE, None)


def disk(folder: Path, kib: int, flags: int = 0) -> None:
    call("mount", "tmpfs", str(folder), "tmpfs", flags, f"size={kib}k")


@pytest.fixture(scope="module")
def small_disks(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether a process of ours may mount a tmpfs."""
    folder = tmp_path_factory.mktemp("mounting")
    return child(folder, try_to_mount, folder).code == 0


def try_to_mount(folder: Path) -> None:
    own_mounts()
    disk(folder, 64)


@pytest.mark.parametrize("shape", ["bounded", "each"])
def test_a_disk_that_has_too_little_room(shape: str, small_disks: bool, tmp_path: Path) -> None:
    if not small_disks:
        pytest.skip("this process may not mount a tmpfs; the limit of file sizes is tested below")
    clean = make(tmp_path / "clean", outputs=3, rows=150)
    run(clean, shape)
    ended = child(tmp_path, fill, tmp_path / "clean", shape, remains(clean))
    print(ended.said)
    assert ended.code == 0, ended.said
    assert "stopped at" in ended.said
    assert int(ended.said.split()[-1]) >= 4, ended.said


def fill(folder: Path, shape: str, whole: dict[str, Any]) -> None:
    """Run on a disk with hardly any room, then with a little more, until it is enough; each time it is too little, look."""
    own_mounts()
    kib, stopped = 48, 0
    disk(folder, kib)
    file = make(folder, outputs=3, rows=150)
    while True:
        try:
            run(file, shape)
            break
        except TransientError as error:
            if "make room" not in error.fix:
                raise
            print("stopped at", error.where)
        assert not half_visible(file, whole, shape in AT_ONCE)
        kib, stopped = kib + ROOM, stopped + 1
        disk(folder, kib, REMOUNT)
    disk(folder, kib * 4, REMOUNT)
    found = remains(file)
    assert found == whole, [(name, found[name], whole[name]) for name in whole if found[name] != whole[name]]
    print(kib, "KiB are enough; it stopped before that:", stopped)


@pytest.mark.parametrize("part", [".mainstem", "lake"])
def test_a_folder_that_becomes_read_only(part: str, small_disks: bool, tmp_path: Path) -> None:
    if not small_disks:
        pytest.skip("this process may not mount anything; see tests/stories/test_stories_bad.py")
    clean = make(tmp_path / "clean", rows=150)
    run(clean, "each")
    ended = child(tmp_path, forbid, tmp_path / "p", part, remains(clean))
    assert ended.code == 0, ended.said
    assert ended.said.count("stopped at") == 3, ended.said


def forbid(folder: Path, part: str, whole: dict[str, Any]) -> None:
    """Take the right to write away at three moments of a run, and give it back."""
    own_mounts()
    file = make(folder, rows=150)
    (folder / part).mkdir()
    call("mount", str(folder / part), str(folder / part), None, BIND, None)
    for times in (1, 4, 12):
        try:
            with signals.listening(forbidding(folder / part, times)):
                run(file, "each", takeover=True)             # a lease cannot be given back where nothing can be written
        except TransientError as error:
            if "make the folder writable" not in error.fix and error.code != "disk.read_only":
                raise
            print("stopped at", error.where)
        call("mount", "none", str(folder / part), None, REMOUNT | BIND, None)
        assert not half_visible(file, whole, at_once=False)
    run(file, "each", takeover=True)
    assert remains(file) == whole


def forbidding(folder: Path, times: int) -> Callable[[str, dict[str, Any]], None]:
    """At that durable call in the folder, or the next one at which nobody has a file of it open, it becomes read-only."""
    count = [0]

    def listen(name: str, facts: dict[str, Any]) -> None:
        if name.startswith("durable.") and Path(facts["path"]).is_relative_to(folder):
            count[0] += 1
            if count[0] >= times:
                try:
                    call("mount", "none", str(folder), None, REMOUNT | BIND | RDONLY, None)
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        raise

    return listen


def test_a_limit_of_file_sizes(tmp_path: Path) -> None:
    clean = make(tmp_path / "clean", rows=150)
    run(clean, "each")
    whole = remains(clean)
    file = make(tmp_path / "p", rows=150)
    for limit in (1000, 3000, 9000):
        ended = child(file.parent, run, file, "each", limit=limit)
        assert ended.code == 4, ended.said
        assert "disk.full" in ended.said
        assert not half_visible(file, whole, at_once=False)
    assert not child(file.parent, run, file, "each").killed
    assert remains(file) == whole
