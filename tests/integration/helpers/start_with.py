# SPDX-License-Identifier: MIT
"""start_with.py FILE COMMAND...: give this process an odd inheritance, then exec COMMAND in it; FILE is JSON.

open        [[FD, PATH], ...]: FD is PATH, opened for writing
terminal    stdin becomes the controlling terminal of a new session
user_namespace  this user namespace: every id is mapped to itself, setgroups is denied
drop_caps   an empty bounding set: root without capabilities
uid         also the gid; no supplementary groups
ignore      signals that are ignored; all others are default
block       signals that are blocked, or "all"
nofile      the limit of descriptors, soft and hard
nproc       the limit of the user's processes, soft and hard
raw_env     [NAME=VALUE, ...] in this order, repetitions too, in place of the environment
listen_fds  LISTEN_FDS is this, LISTEN_PID this process
exec_mark   a FIFO that reaches its end when COMMAND begins
wait_for    a FIFO: go on when somebody has opened and closed it
close       descriptors that are closed
insist      exec COMMAND again when that failed
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import sys
import termios

CLONE_NEWUSER = 0x10000000
PR_CAPBSET_DROP = 24

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "start_with.py")


def enter_user_namespace():
    """Only a process outside may write a map of many ids: a child that stays behind does."""
    ready_read, ready = os.pipe()
    me = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(ready)
        os.read(ready_read, 1)
        for name, text in (("setgroups", "deny"), ("uid_map", "0 0 65536"), ("gid_map", "0 0 65536")):
            with open(f"/proc/{me}/{name}", "w") as file:
                file.write(text)
        os._exit(0)
    check(libc.unshare(CLONE_NEWUSER))
    os.close(ready)
    os.close(ready_read)
    if os.waitpid(helper, 0)[1]:
        sys.exit("start_with.py: cannot write the map of the user namespace")


def main():
    with open(sys.argv[1]) as file:
        want = json.load(file)
    command = sys.argv[2:]
    environment = [f"{name}={value}" for name, value in os.environ.items()]

    for fd, path in want.get("open", ()):
        opened = os.open(path, os.O_WRONLY)
        if opened != fd:
            os.dup2(opened, fd)
            os.close(opened)
        os.set_inheritable(fd, True)
    if want.get("terminal"):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if want.get("user_namespace"):
        enter_user_namespace()
    if want.get("drop_caps"):
        with open("/proc/sys/kernel/cap_last_cap") as file:
            last = int(file.read())
        for capability in range(last + 1):
            check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
    if "nproc" in want:
        resource.setrlimit(resource.RLIMIT_NPROC, (want["nproc"], want["nproc"]))
    if "raw_env" in want:
        environment = want["raw_env"]
    if "listen_fds" in want:
        environment += [f"LISTEN_FDS={want['listen_fds']}", f"LISTEN_PID={os.getpid()}"]
    if "exec_mark" in want:
        os.open(want["exec_mark"], os.O_WRONLY)
    if "wait_for" in want:
        with open(want["wait_for"]) as fifo:
            fifo.read()
    if "uid" in want:
        os.setgroups([])
        os.setgid(want["uid"])
        os.setuid(want["uid"])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        ignored = number in want.get("ignore", ())
        signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    block = want.get("block", ())
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() if block == "all" else block)

    encoded = [word.encode(errors="surrogateescape") for word in command]
    argv = (ctypes.c_char_p * (len(encoded) + 1))(*encoded)
    words = [word.encode(errors="surrogateescape") for word in environment]
    envp = (ctypes.c_char_p * (len(words) + 1))(*words)
    for fd in want.get("close", ()):
        os.close(fd)
    if "nofile" in want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want["nofile"], want["nofile"]))
    libc.execve(encoded[0], argv, envp)
    if want.get("insist"):
        libc.execve(encoded[0], argv, envp)
    os._exit(98)


main()
