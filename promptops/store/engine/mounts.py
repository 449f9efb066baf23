"""Recognises file systems that are not on this machine, by the names that Linux shows for them.

SQLite in WAL mode needs locks and memory shared by all that have the file open, which two hosts do not have. A file
system in user space (``fuse.…``) is taken for one of a network unless it is known to be local: there are hundreds, most
of them reach over a network, and the few that lie on a disk of this machine have a name here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from promptops.core.errors import RegistryUnavailable

_NETWORK = "a network file system"
_CLUSTER = "a file system of a cluster"
_SHARED = "a folder that another machine, the host of this one, shares"
_STORE = "an object store that looks like a folder"
_MEANINGS = {
    _NETWORK: "afs cifs coda davfs davfs2 kafs ncpfs nfs nfs4 smb2 smb3 smbfs fuse.davfs2 fuse.sshfs fuse.smbnetfs",
    _CLUSTER: "acfs beegfs ceph gfs2 glusterfs gpfs lustre mmfs ocfs2 orangefs panfs pvfs2 wekafs"
    " fuse.beegfs fuse.ceph fuse.ceph-fuse fuse.glusterfs fuse.moosefs fuse.seaweedfs",
    _SHARED: "9p drvfs fakeowner grpcfuse osxfs prl_fs v9fs vboxsf virtiofs vmhgfs"
    " fuse.grpcfuse fuse.osxfs fuse.prl_fs fuse.vmhgfs-fuse",
    _STORE: "fuse.blobfuse fuse.blobfuse2 fuse.gcsfuse fuse.geesefs fuse.goofys fuse.juicefs fuse.mount-s3"
    " fuse.mountpoint-s3 fuse.ossfs fuse.rclone fuse.s3fs fuse.s3ql",
}
_KINDS = {kind: meaning for meaning, kinds in _MEANINGS.items() for kind in kinds.split()}
_OVER_A_FOLDER = frozenset(f"fuse.{name}" for name in ("bindfs", "encfs", "gocryptfs", "mergerfs", "securefs"))
"""They show a folder of this machine in another way: the file system of that folder counts."""
_LOCAL = frozenset(f"fuse.{name}" for name in ("exfat", "exfat-fuse", "fuse-overlayfs", "fuse2fs", "ntfs", "ntfs-3g"))
"""On a disk of this machine, or the root of a container."""
_LINE = re.compile(r"(?:\S+ ){5}.* - \S")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def refuse_network_file_system(path: Path) -> None:
    """SQLite loses data where two hosts write one file.

    Raises:
        RegistryUnavailable: naming the file system. Only Linux can tell.
    """
    kind = _network_file_system_of(path)
    if kind:
        raise RegistryUnavailable(
            f"{path} is on {_meaning(kind)} ({kind}), where SQLite loses data when two hosts write",
            hint="Keep the file on a local disk or use PostgreSQL; if one host writes, PROMPTOPS_ALLOW_NETWORK_FS=1.",
        )


def is_local(path: Path) -> bool:
    """Whether the file is known to be on this machine, so that its kernel sees every write. Only Linux can tell."""
    return _network_file_system_of(path) == ""


def _network_file_system_of(path: Path) -> str | None:
    """The kind of network file system that the path is on, empty for a local one, None if it cannot be found out."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return network_file_system(os.path.realpath(path), mounts)


def network_file_system(path: str, mountinfo: str) -> str:
    """The kind of file system a path is on, by the text of ``/proc/self/mountinfo``; empty for a local one."""
    mounts = [_mount(line) for line in mountinfo.split("\n") if _LINE.match(line)]
    kind = ""
    for _ in mounts:
        longest, kind, source = -1, "", ""
        for folder, its_kind, device in mounts:
            # The last of equals is mounted on top.
            if len(folder) >= longest and f"{path}/".startswith(f"{folder}/"):
                longest, kind, source = len(folder), its_kind, device
        if kind not in _OVER_A_FOLDER or not source.startswith("/") or f"{source}/".startswith(f"{path}/"):
            break
        path = source
    return kind if kind in _KINDS or _unknown(kind) else ""


def _mount(line: str) -> tuple[str, str, str]:
    """The folder, the kind and the source of one line, as in proc(5)."""
    head, _, tail = line.partition(" - ")
    kind, source, *_ = [*tail.split(" "), ""]
    return _plain(head.split(" ")[4]).rstrip("/"), kind, _plain(source)


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def _unknown(kind: str) -> bool:
    return (kind == "fuse" or kind.startswith("fuse.")) and kind not in _LOCAL | _OVER_A_FOLDER


def _meaning(kind: str) -> str:
    return _KINDS.get(kind, "a file system in user space, most of which reach over a network")
