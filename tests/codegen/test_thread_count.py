"""How many threads compiled code uses: what the user says, or what affinity and control groups leave this process."""

import os
import sys
from pathlib import Path

import pytest

import lucid
from lucid.codegen import cgroup, threads
from lucid.errors import ArgumentError

V1_MOUNT = "33 31 0:30 {folder} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
V2_MOUNT = "30 23 0:26 {folder} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
OTHER_MOUNT = (
    "34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n25 23 0:5 / /dev rw - tmpfs udev\n"
)
INFINITY = float("inf")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path


def say(root: Path, memberships: str, mounts: str, **files: str) -> None:
    """Write what the kernel would say: of this process, and in files of its groups."""
    (root / "proc/self/cgroup").write_text(memberships)
    (root / "proc/self/mountinfo").write_text(OTHER_MOUNT + mounts)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({}, INFINITY),
        ({"pod": "max 100000"}, INFINITY),
        ({"pod/task": "150000 100000"}, 1.5),
        ({"pod": "400000 100000", "pod/task": "max 100000"}, 4.0),
        ({"pod": "400000 100000", "pod/task": "600000 200000"}, 3.0),
        ({"": "100000 50000", "pod": "400000 100000", "pod/task": "800000 100000"}, 2.0),
        ({"elsewhere": "100000 100000"}, INFINITY),
        ({"pod": "damaged", "pod/task": ""}, INFINITY),
    ],
)
def test_the_smallest_quota_on_the_way_to_the_root_counts(quotas: dict[str, str], expected: float, root: Path) -> None:
    files = {f"sys/fs/cgroup/{group}/cpu.max": text for group, text in quotas.items()}
    say(root, "0::/pod/task\n", V2_MOUNT.format(folder="/"), **files)
    assert cgroup.quota(root) == expected


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({"": (-1, 100000), "job/step": (-1, 100000)}, INFINITY),
        ({"": (-1, 100000), "job": (300000, 100000), "job/step": (-1, 100000)}, 3.0),
        ({"job": (300000, 100000), "job/step": (50000, 100000)}, 0.5),
    ],
)
def test_quotas_of_version_1_count(quotas: dict[str, tuple[int, int]], expected: float, root: Path) -> None:
    files = {}
    for group, words in quotas.items():
        for name, word in zip(("quota", "period"), words, strict=True):
            files[f"sys/fs/cgroup/cpu,cpuacct/{group}/cpu.cfs_{name}_us"] = f"{word}\n"
    memberships = "9:memory:/job\n4:cpu,cpuacct:/job/step\n1:name=systemd:/\n0::/\n"
    say(root, memberships, V1_MOUNT.format(folder="/"), **files)
    assert cgroup.quota(root) == expected


def test_both_versions_count_where_both_are_mounted(root: Path) -> None:
    files = {
        "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "500000",
        "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/b/cpu.max": "200000 100000",
    }
    mounts = V1_MOUNT.format(folder="/") + V2_MOUNT.format(folder="/")
    say(root, "4:cpu,cpuacct:/a\n0::/b\n", mounts, **files)
    assert cgroup.quota(root) == 2.0


@pytest.mark.parametrize("path", ["/docker/abc", "/docker/abc/inner", "/../other"])
def test_a_container_sees_its_own_group_alone(path: str, root: Path) -> None:
    """Its group is what is mounted, whatever the path is by which the host knows it."""
    say(root, f"0::{path}\n", V2_MOUNT.format(folder="/docker/abc"), **{"sys/fs/cgroup/cpu.max": "300000 100000"})
    assert cgroup.quota(root) == 3.0


def test_names_of_mounts_may_have_any_characters(root: Path) -> None:
    """The kernel writes what would end a word or a line in octal digits, and all else as it is."""
    folder, mounted = r"/my\040jobs\134", b"/mnt/control\\040groups\\011\xe9\xc2\xa0x"
    group = root / os.fsdecode(b"mnt/control groups\t\xe9\xc2\xa0x") / "task"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("250000 100000")
    line = V2_MOUNT.format(folder=folder).encode().replace(b"/sys/fs/cgroup", mounted)
    (root / "proc/self/mountinfo").write_bytes(b"26 23 0:7 / /media/\xff\xe2\x80\xa8 rw - vfat /dev/sdb rw\n" + line)
    (root / "proc/self/cgroup").write_text("0::/my jobs\\/task\n")
    assert cgroup.quota(root) == 2.5


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cgroup.quota(tmp_path) == INFINITY


@pytest.mark.parametrize(("quota", "expected"), [(INFINITY, 5), (7.5, 5), (2.9, 2), (0.3, 1)])
def test_threads_are_as_many_as_affinity_and_quota_allow(
    quota: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 3, 8, 9}, raising=False)
    monkeypatch.setattr(threads, "quota", lambda: quota)
    assert threads.available_processors() == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no affinity elsewhere")
def test_an_affinity_of_one_core_is_one_thread() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert threads.available_processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.fixture
def unchosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not asked for the number yet."""
    monkeypatch.setattr(threads, "_chosen", [])
    monkeypatch.setattr(threads, "_listeners", [])
    monkeypatch.setattr(threads, "available_processors", lambda: 6)


@pytest.mark.parametrize(("text", "expected"), [("3", 3), (" 12 ", 12), ("", 6)])
def test_the_environment_names_a_number_of_threads(
    text: str, expected: int, unchosen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCID_NUM_THREADS", text)
    assert lucid.get_num_threads() == expected


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5", "²", "257", pytest.param("9" * 5000, id="long")])
def test_what_is_no_number_of_threads_in_the_environment_is_refused(
    text: str, unchosen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCID_NUM_THREADS", text)
    for _ in range(2):  # not only once
        with pytest.raises(ArgumentError, match=rf"LUCID_NUM_THREADS takes an integer from 1 to 256, got '{text}'\."):
            lucid.get_num_threads()
    lucid.set_num_threads(2)
    assert lucid.get_num_threads() == 2
