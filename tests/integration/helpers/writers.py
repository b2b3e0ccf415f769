# SPDX-License-Identifier: MIT
"""The ways in which programs write a file, as they really do it."""

import mmap
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest


def tool(name):
    """The path of a program; a skip that names it where there is none."""
    return shutil.which(name) or pytest.skip(f"needs {name}")


def call(*words, **how):
    # Nobody's configuration, nobody's terminal.
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C", "TERM": "dumb",
           "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, env=env, timeout=30, **how)


def in_place(path, text):
    """open(O_TRUNC), write: `echo >`, VS Code."""
    path.write_text(text)


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def docker(path, text, mtime=None):
    """As the Engine unpacks an archive, for `docker cp` and `docker compose watch`: mtime in whole seconds."""
    path.unlink(missing_ok=True)
    path.write_text(text)
    os.chown(path, os.geteuid(), os.getegid())
    path.chmod(0o644)
    mtime = int(time.time() if mtime is None else mtime)
    os.utime(path, (mtime, mtime))


def docker_directory(path, mtime=None):
    """The header of a directory in that archive: made if it is new, attributes in any case."""
    path.mkdir(exist_ok=True)
    os.chown(path, os.geteuid(), os.getegid())
    path.chmod(0o755)
    mtime = int(time.time() if mtime is None else mtime)
    os.utime(path, (mtime, mtime))


def docker_remove(*paths):
    """Compose deletes by `rm -rf` in the container."""
    call("rm", "-rf", *paths)


def rename_over(path, text, mtime=None):
    """A temporary file that takes its place."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    if mtime is not None:
        os.utime(new, (mtime, mtime))
    new.rename(path)


def vim(path, text, backupcopy="auto"):
    vim = tool("vim")
    keys = path.parent / ".keys"
    keys.write_text(f"%d\na\n{text.rstrip()}\n.\nwq\n")
    call(vim, "-N", "-u", "NONE", "-i", "NONE", "-es", "--cmd",
         f"set writebackup backup backupcopy={backupcopy} backupskip= backupdir=. directory=.", "-S", keys, path)
    keys.unlink()


def emacs(path, text):
    """A lock, the autosave, the old file becomes the backup, the new one is written."""
    lock = path.with_name(f".#{path.name}")
    lock.symlink_to("user@host.1234:1700000000")
    autosave = path.with_name(f"#{path.name}#")
    autosave.write_text(text)
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text)
    autosave.unlink()
    lock.unlink()


def jetbrains(path, text):
    """Their "safe write"."""
    new, old = (path.with_name(f"{path.name}___jb_{word}___") for word in ("tmp", "old"))
    new.write_text(text)
    path.rename(old)
    new.rename(path)
    old.unlink()


def map_and_write(path, data):
    """Through a shared mapping: no write(2) at all."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:len(data)] = data


def git(*words, cwd):
    call(tool("git"), "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main",
         "-c", "safe.directory=*", *words, cwd=cwd)


def rsync(*words):
    call(tool("rsync"), *words)


def tar(*words):
    call(tool("tar"), *words)


def write(path, text="old\n"):
    """A file with the directories above it, for what is there before anything happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_text(text)
    return path


def package(path, names=("__init__.py", "main.py", "v1/__init__.py", "v1/routes.py")):
    """A directory with modules in it."""
    for name in names:
        write(path / name, f"# {path.name}/{name}\n")
    return Path(path)
