# SPDX-License-Identifier: MIT
"""attack.py [PROGRAM]: try to become root and to look into PID 1; one line `NAME: ok` or `NAME: error` for each try.

PROGRAM is a setuid-root file that prints its effective uid."""

import ctypes
import errno
import os
import subprocess
import sys

PTRACE_ATTACH = 16

libc = ctypes.CDLL(None, use_errno=True)


def attach():
    if libc.ptrace(PTRACE_ATTACH, 1, None, None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def become_root_by_file():
    if int(subprocess.run([sys.argv[1]], capture_output=True, check=True).stdout) != 0:
        raise PermissionError(errno.EPERM, "not root")


TRIES = {
    "setuid(0)": lambda: os.setuid(0),
    "setgid(0)": lambda: os.setgid(0),
    "setresuid(0)": lambda: os.setresuid(0, 0, 0),
    "setresgid(0)": lambda: os.setresgid(0, 0, 0),
    "setgroups(0)": lambda: os.setgroups([0]),
    "chroot": lambda: os.chroot("/"),
    "environ": lambda: open("/proc/1/environ", "rb").close(),
    "mem": lambda: open("/proc/1/mem", "r+b").close(),
    "maps": lambda: open("/proc/1/maps", "rb").close(),
    "exe": lambda: os.readlink("/proc/1/exe"),
    "cwd": lambda: os.readlink("/proc/1/cwd"),
    "fd": lambda: os.listdir("/proc/1/fd"),
    "ptrace": attach,
}
if len(sys.argv) > 1:
    TRIES["setuid file"] = become_root_by_file

for name, attempt in TRIES.items():
    try:
        attempt()
    except PermissionError:
        print(f"{name}: refused")
    except OSError as error:
        print(f"{name}: {error}")
    else:
        print(f"{name}: ok")
