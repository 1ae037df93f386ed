import errno
import os

import pytest

from nascout.atomic import write_text
from nascout.errors import StoreFull


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_text(tmp_path / "report.html", "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match=r"report\.html .*bytes free"):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_other_failures_leave_the_old_file_too(tmp_path, monkeypatch):
    path = write_text(tmp_path / "report.html", "old")

    def broken(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_text_is_utf8_whatever_it_holds(tmp_path):
    path = write_text(tmp_path / "a" / "b" / "x.txt", "é×\ud800\n")
    assert path.read_bytes() == "é×?\n".encode()
