"""Network file systems are known by the names that Linux shows for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.store.engine.mounts import network_file_system

# What /proc/self/mountinfo looks like; the last field but two is the kind.
MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw,nosuid shared:13 - proc proc rw
24 22 0:22 / /tmp rw shared:2 - tmpfs tmpfs rw
40 22 0:40 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2,addr=10.0.0.1
41 22 0:41 / /mnt/our\040share rw shared:21 - cifs //server/our\040share rw
42 40 8:17 / /home/local rw shared:22 - ext4 /dev/sdb1 rw
43 22 8:1 /srv/data /mnt/bound rw shared:1 - ext4 /dev/sda1 rw
44 22 0:40 /ada/data /mnt/bound-over-nfs rw shared:20 - nfs4 server:/home rw
45 22 0:45 / /var/lib/container/merged rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
46 22 0:46 / /mnt/back\134slash rw master:5 propagate_from:2 - virtiofs share rw
47 22 0:47 / /mnt/twice rw - nfs server:/a rw
48 47 0:48 / /mnt/twice rw - tmpfs tmpfs rw
49 22 0:49 / /mnt/crypt rw - fuse.gocryptfs /home/ada/crypt rw
50 22 0:50 / /mnt/crypt-here rw - fuse.gocryptfs /srv/crypt rw
51 22 0:51 / /mnt/itself rw - fuse.encfs /mnt/itself/crypt rw
52 22 0:52 / /mnt/no-optional rw,relatime - fuse.sshfs ada@server:/ rw,user_id=0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/registry.db", ""),
        ("/tmp/registry.db", ""),
        ("/home/ada/registry.db", "nfs4"),
        ("/home", "nfs4"),
        ("/home/local/registry.db", ""),  # the longest folder counts
        ("/homes/registry.db", ""),
        ("/mnt/our share/registry.db", "cifs"),  # \040
        ("/mnt/our/registry.db", ""),
        ("/mnt/back\\slash/registry.db", "virtiofs"),  # \134, and fields that are optional
        ("/mnt/no-optional/registry.db", "fuse.sshfs"),
        ("/mnt/bound/registry.db", ""),
        ("/mnt/bound-over-nfs/registry.db", "nfs4"),
        ("/var/lib/container/merged/registry.db", ""),
        ("/mnt/twice/registry.db", ""),  # the last of equals is on top
        ("/mnt/crypt/registry.db", "nfs4"),  # of what lies over a folder, the folder counts
        ("/mnt/crypt-here/registry.db", ""),
        ("/mnt/itself/registry.db", ""),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(path: str, kind: str) -> None:
    assert network_file_system(path, MOUNTS) == kind


NOT_HERE = (
    "nfs nfs4 cifs smb3 smbfs 9p virtiofs vboxsf ceph glusterfs afs lustre beegfs gpfs ocfs2 gfs2 "
    "fuse fuse.sshfs fuse.glusterfs fuse.ceph fuse.ceph-fuse fuse.s3fs fuse.gcsfuse fuse.rclone fuse.goofys "
    "fuse.juicefs fuse.mountpoint-s3 fuse.blobfuse2 fuse.davfs2 fuse.vmhgfs-fuse fuse.never-heard-of"
)
HERE = (
    "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs tmpfs ramfs overlay aufs vfat exfat ntfs ntfs3 fuseblk apfs hfsplus "
    "fuse.ntfs-3g fuse.fuse-overlayfs fuse.fuse2fs fuse.exfat-fuse fuse.mergerfs fusectl squashfs iso9660"
)
KINDS = [*((kind, True) for kind in NOT_HERE.split()), *((kind, False) for kind in HERE.split())]


@pytest.mark.parametrize(("kind", "far"), KINDS)
def test_every_kind_is_here_or_not(kind: str, far: bool) -> None:
    mounts = f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:30 / /data rw - {kind} source rw\n"
    assert network_file_system("/data/registry.db", mounts) == (kind if far else "")
    assert network_file_system("/registry.db", mounts) == ""


def test_the_table_of_this_machine_can_be_read() -> None:
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        pytest.skip("only Linux has it")
    text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    assert network_file_system("/proc/self", text) == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", ""), ("\n", ""), ("no mounts at all", ""), ("1 2 3 - ", ""), ("1 2 0:1 / /data rw - nfs", "nfs")],
)
def test_a_table_that_is_cut_off_is_read_as_far_as_it_goes(text: str, kind: str) -> None:
    assert network_file_system("/data/registry.db", text) == kind
