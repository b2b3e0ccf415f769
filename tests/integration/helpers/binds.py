# SPDX-License-Identifier: MIT
"""binds.py NAME [WORD...]: bind sockets to HOST:PORT and elsewhere in one of these ways, and say one line of JSON."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

HOST, PORT = os.environ.get("HOST", ""), int(os.environ.get("PORT", 0))
IPPROTO_MPTCP = 262
libc = ctypes.CDLL(None, use_errno=True)


def tcp(host=HOST):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock


def listening(host=HOST):
    sock = tcp(host)
    sock.bind((host, PORT))
    sock.listen()
    return sock


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def inodes_of_threads(count):
    """So many threads bind at once, one half to PORT, the other to any port: the inodes there, the ports here."""
    barrier = threading.Barrier(count)
    socks = [tcp() for _ in range(count)]
    errors = []

    def bind(n):
        barrier.wait()
        try:
            socks[n].bind((HOST, PORT if n % 2 else 0))
        except OSError as error:
            errors.append(str(error))
    threads = [threading.Thread(target=bind, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"errors": errors, "inodes": [inode(sock) for sock in socks[1::2]],
            "ports": [sock.getsockname()[1] for sock in socks]}


def inode_below(depth):
    """The inode that a process so far below this one finds."""
    if not depth:
        return inode(listening())
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.write(write_end, str(inode_below(depth - 1)).encode())
        os._exit(0)
    os.close(write_end)
    return int(os.read(read_end, 100))


def flags(*_):
    """For each way to make a socket: its number, FD_CLOEXEC and O_NONBLOCK, before and after the bind."""
    found = []
    for cloexec in (False, True):
        for nonblock in (False, True):
            sock = tcp()
            sock.set_inheritable(not cloexec)
            sock.setblocking(not nonblock)
            pair = []
            for bind in (False, True):
                if bind:
                    sock.bind((HOST, PORT))
                pair.append([sock.fileno(), bool(fcntl.fcntl(sock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC),
                             bool(fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK)])
            found.append(pair)
            sock.close()
    return found


def options(*_):
    """What was set before the bind, and is found after it."""
    sets = {"SO_REUSEADDR": (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
            "SO_KEEPALIVE": (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            "SO_RCVBUF": (socket.SOL_SOCKET, socket.SO_RCVBUF, 70000),
            "TCP_NODELAY": (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            "TCP_DEFER_ACCEPT": (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 3)}
    if ":" in HOST:
        sets["IPV6_V6ONLY"] = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock = tcp()
    for level, name, value in sets.values():
        sock.setsockopt(level, name, value)
    before = {key: sock.getsockopt(level, name) for key, (level, name, _) in sets.items()}
    sock.bind((HOST, PORT))
    sock.listen()
    return [before, {key: sock.getsockopt(level, name) for key, (level, name, _) in sets.items()}]


def attempt(function):
    try:
        return function()
    except OSError as error:
        return errno.errorcode[error.errno]


def raw_bind(fd, data, length=None):
    buffer = ctypes.create_string_buffer(data, max(len(data), 1))
    return "ok" if libc.bind(fd, buffer, len(data) if length is None else length) == 0 else \
        errno.errorcode[ctypes.get_errno()]


def others(*_):
    """Binds that are none of initd's business, and what comes of each."""
    directory = tempfile.mkdtemp()
    found = {}
    keep = []

    def bound(key, sock, address, show=lambda sock: "ok"):
        keep.append(sock)

        def bind():
            sock.bind(address)
            return show(sock)
        found[key] = attempt(bind)

    bound("any port", tcp(), (HOST, 0), lambda sock: sock.getsockname()[1] not in (0, PORT))
    bound("udp", socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (HOST, PORT),
          lambda sock: sock.getsockname()[1] == PORT)
    bound("udp6", socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), ("::1", PORT))
    bound("unix", socket.socket(socket.AF_UNIX), f"{directory}/{PORT}",
          lambda sock: sock.getsockname() == f"{directory}/{PORT}")
    bound("abstract", socket.socket(socket.AF_UNIX), f"\0initd-test-{os.getpid()}")
    bound("unix in no directory", socket.socket(socket.AF_UNIX), f"{directory}/no/where")
    bound("netlink", socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), (0, 0))
    bound("not ours", tcp(), ("192.0.2.1", PORT))

    def number(sock):
        keep.append(sock)
        return sock.fileno()
    inet = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + socket.inet_aton("127.0.0.1") + bytes(8)
    found["no descriptor"] = raw_bind(999, inet)
    found["no socket"] = raw_bind(0, inet)
    pipe, _ = os.pipe()
    found["a pipe"] = raw_bind(pipe, inet)
    found["too short"] = raw_bind(number(tcp("")), inet, 4)
    found["nothing"] = raw_bind(number(tcp("")), inet, 0)
    found["negative"] = raw_bind(number(tcp("")), inet, -1)
    found["too long"] = raw_bind(number(tcp("")), inet + bytes(500))
    found["null"] = "ok" if libc.bind(number(tcp("")), None, 16) == 0 else errno.errorcode[ctypes.get_errno()]
    found["wild"] = "ok" if libc.bind(number(tcp("")), ctypes.c_void_p(8), 16) == 0 else \
        errno.errorcode[ctypes.get_errno()]
    found["inet for inet6"] = raw_bind(number(socket.socket(socket.AF_INET6)), inet)
    found["unix for inet"] = raw_bind(number(tcp("")), struct.pack("=H", socket.AF_UNIX) + b"/x\0")
    found["inet for unix"] = raw_bind(number(socket.socket(socket.AF_UNIX)), inet)
    twice = tcp()
    twice.bind((HOST, 0))
    found["bound before"] = attempt(lambda: twice.bind((HOST, PORT)))
    peer = tcp()
    peer.bind((HOST, 0))
    peer.listen()
    connected = tcp()
    connected.connect(peer.getsockname())
    found["connected"] = attempt(lambda: connected.bind((HOST, PORT)))
    return found


def deaths(count):
    """So many processes that bind are killed, one after the other, at any moment; then one binds."""
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            while True:
                with tcp() as sock, contextlib.suppress(OSError):
                    sock.bind((HOST, PORT))
        time.sleep(random.random() * 0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return inode(listening())


def waits(*_):
    """One process that waits in bind when it is killed (initd was stopped by the test), another that does not."""
    pid = os.fork()
    if pid == 0:
        tcp().bind((HOST, PORT))
        os._exit(0)
    print("forked", flush=True)
    sys.stdin.readline()
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    print("killed", flush=True)
    return [os.waitstatus_to_exitcode(status), inode(listening())]


def signals(count):
    """Binds while signals come, whose handlers do not ask for a restart of what they interrupt."""
    came = 0

    def count_it(*_):
        nonlocal came
        came += 1
    signal.signal(signal.SIGALRM, count_it)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    errors = {}
    for _ in range(count):
        with tcp() as sock:
            result = attempt(lambda: sock.bind((HOST, PORT)))
            if result:
                errors[result] = errors.get(result, 0) + 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    return {"errors": errors, "signals": came > 0}


def close_and_bind(count):
    """The inodes of so many sockets that are bound, listen and are closed one after the other."""
    found = []
    for _ in range(count):
        with listening() as sock:
            found.append(inode(sock))
    return found


def mptcp(*_):
    sock = attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP))
    if isinstance(sock, str):
        return sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, PORT))
    sock.listen()
    return sock.getsockopt(socket.SOL_SOCKET, 38)       # SO_PROTOCOL


def descriptors(*_):
    """What each open descriptor is."""
    found = {}
    for number in range(256):
        with contextlib.suppress(OSError):
            found[number] = os.readlink(f"/proc/self/fd/{number}")
    return found


def activation(*_):
    """The environment of activation, and what descriptor 3 is."""
    found = {"env": {name: value for name, value in os.environ.items() if name.startswith(("LISTEN_", "UVICORN_"))},
             "pid": os.getpid(), "descriptors": descriptors(), "fd": None}
    with contextlib.suppress(OSError):
        sock = socket.socket(fileno=os.dup(3))
        found["fd"] = {"address": sock.getsockname()[:2], "type": sock.type == socket.SOCK_STREAM,
                       "listens": sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
                       "nodelay": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                       "cloexec": fcntl.fcntl(3, fcntl.F_GETFD), "inode": inode(sock)}
    return found


def main():
    name, *words = sys.argv[1:]
    result = globals()[name](*(int(word) for word in words if word.isdigit()))
    os.write(1, f"{json.dumps(result)}\n".encode())
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


main()
