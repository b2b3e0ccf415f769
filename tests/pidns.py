# SPDX-License-Identifier: MIT
"""Runs the real initd as PID 1 of a PID namespace of its own, and watches it from outside."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import qemu_user
from harness import wait_until

REAL_ROOT = os.geteuid() == 0
HELPERS = Path(__file__).resolve().parent / "integration" / "helpers"

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
app:x:999:999::/home/app:/usr/sbin/nologin
"""
GROUP = """\
root:x:0:
daemon:x:1:
tty:x:5:
nogroup:x:65534:
app:x:999:
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Mounts come first, so that what follows `--` is initd's first and only exec in this process.
INNER = 'while [ "$1" != -- ]; do mount --rbind "$1" "$2" || exit 97; shift 2; done; shift; '
AS_PID_1 = INNER + 'exec "$@"'
# `exit` keeps the shell from exec'ing its last command: initd must not be PID 1 here.
BELOW_PID_1 = INNER + '"$@"; exit $?'
LINGERING = INNER + '"$@"; echo "ended: $?" >&2; exec sleep 1000'

needs_real_root = pytest.mark.skipif(not REAL_ROOT, reason="needs real root: run pytest as root")


def needs_strace(tool=shutil.which("strace")):
    return pytest.mark.skipif(tool is None, reason="needs strace")


def sanitizer(options):
    """The environment that adds these options to a build with a sanitizer; nothing to any other."""
    return {"ASAN_OPTIONS": ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), options)))}


class Process(NamedTuple):
    """A line of /proc/PID/stat, all numbers as the tests' own PID namespace sees them."""
    pid: int
    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int


def read_process(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    state, ppid, pgrp, session = tail.split()[:4]
    return Process(int(pid), head.partition("(")[2], state, int(ppid), int(pgrp), int(session))


def all_processes():
    found = (read_process(name) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process]


def read_status(pid):
    """/proc/PID/status as a dict."""
    lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def signal_set(mask):
    """The signal numbers in a mask of /proc/PID/status."""
    bits = int(mask, 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


class Reader:
    """Collects all that a descriptor says, so that no writer ever waits for the test; owns the descriptor."""

    def __init__(self, fd):
        self.fd = fd
        self.data = b""
        self.wake, self.wake_end = os.pipe()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        waiting = select.poll()
        waiting.register(self.fd, select.POLLIN)
        waiting.register(self.wake, select.POLLIN)
        while True:
            if any(fd == self.wake for fd, _ in waiting.poll()):
                return
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:     # EIO: the last user of a terminal is gone
                return
            if not chunk:
                return
            self.data += chunk

    @property
    def text(self):
        return self.data.decode(errors="replace")

    def finish(self):
        """Wait for the end of what is said."""
        self.thread.join(timeout=5)

    def close(self):
        """Look away: the writers find that nobody reads."""
        if self.fd is not None:
            os.write(self.wake_end, b".")
            self.thread.join()
            for fd in (self.fd, self.wake, self.wake_end):
                os.close(fd)
            self.fd = None


class Lab:
    """What all runs share, where every uid can reach it: the binary, the children, an /etc."""

    def __init__(self, binary):
        self.dir = Path(tempfile.mkdtemp(prefix="initd-lab-"))
        self.dir.chmod(0o755)
        self.binary = self.dir / "bin" / "initd"
        self.binary.parent.mkdir()
        shutil.copy(binary, self.binary)
        self.binary.chmod(0o755)
        self.helpers = self.dir / "helpers"
        shutil.copytree(HELPERS, self.helpers, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (self.helpers, *self.helpers.iterdir()):
            path.chmod(0o755)
        # Only such a build is linked dynamically.
        self.sanitized = b"__asan_init" in self.binary.read_bytes()
        self.is_foreign = qemu_user.is_foreign(self.binary)
        self.python = find_python()
        self.n_dirs = 0
        self.default_etc = self.etc()

    def room(self):
        """A new directory that every uid can write to."""
        self.n_dirs += 1
        path = self.dir / f"room{self.n_dirs}"
        path.mkdir()
        path.chmod(0o777)
        return path

    def etc(self, passwd=PASSWD, group=GROUP, **files):
        """A new /etc with the given files (None: missing), and what the dynamic linker needs of the host's."""
        path = self.room()
        path.chmod(0o755)
        for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d"):
            source = Path("/etc") / name
            if source.is_dir():
                shutil.copytree(source, path / name)
            elif source.exists():
                shutil.copy(source, path / name)
        for name, text in {"passwd": passwd, "group": group, **files}.items():
            if text is not None:
                (path / name).write_text(text)
                (path / name).chmod(0o644)
        return path

    def without_proc(self):
        """Mounts that hide /proc; none for a build with a sanitizer, which needs it for itself."""
        return [] if self.sanitized else [(self.room(), "/proc")]

    def script(self, path, text):
        path.write_text(text)
        path.chmod(0o755)
        return path

    def helper(self, name, *args):
        """The words that run a helper child."""
        return [self.python, "-I", "-S", "-E", str(self.helpers / name), *map(str, args)]

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def find_python():
    """A Python that uids other than ours can run: one in a home directory is none."""
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        path = Path(candidate).resolve()
        if path.exists() and all(part.stat().st_mode & 0o001 for part in (path, *path.parents)):
            return candidate
    pytest.fail("needs a python3 that every user can execute, in /usr/bin or /usr/local/bin")


def unshare(*extra):
    """The start of a command line that makes a PID namespace."""
    user = () if REAL_ROOT else ("--user", "--map-root-user")
    return ["unshare", *user, "--pid", "--fork", "--kill-child", "--mount-proc", *extra, "--"]


def refusal():
    """Why this host lets us make no PID namespace, or None."""
    try:
        probe = subprocess.run([*unshare(), "true"], capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        return "needs unshare of util-linux"
    if probe.returncode:
        return f"needs root or unprivileged user namespaces: {probe.stderr.strip()}"
    return None


def open_lab(binary):
    """The body of a fixture: a lab with this binary for as long as it is in use."""
    reason = refusal()
    if reason:
        pytest.skip(reason)
    lab = Lab(binary)
    yield lab
    lab.remove()


def environment_of(env):
    """A container's environment: these variables (None: not even the default), and what every one has."""
    environment = {"PATH": PATH, "HOME": "/root"}
    if not REAL_ROOT:       # only one uid is mapped, there is nobody to become
        environment["INITD_USER_NAME"] = "0"
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    environment |= env or {}
    return {name: value for name, value in environment.items() if value is not None}


class Run:
    """One initd, from its start to its end.

    argv      the words after `initd`
    config    the text of a file that is given by -c
    env       the whole environment but PATH and HOME (None as a value: not even that)
    inherit   what start_with.py does in the process that becomes initd, see there
    pid1      False: initd is an ordinary process below the namespace's PID 1; "lingers": and that one, a shell,
              says `ended: CODE` on stderr and lives on when initd has ended
    terminal  True: stdin, stdout and stderr are a terminal, initd leads its session;
              "stdio": only stdin and stdout are
    etc       the directory that is mounted over /etc
    mounts    pairs of directories, the first is mounted over the second
    root      chroot to this directory
    """

    def __init__(self, lab, argv, *, config=None, env=None, inherit=None, pid1=True, terminal=False, etc=None,
                 mounts=(), root=None, cwd="/", stdin=subprocess.DEVNULL, stdout=None, stderr=None, pass_fds=(),
                 prefix=()):
        self.lab = lab
        self.readers = {}
        inherit = dict(inherit or {})
        if config is not None:
            path = lab.room() / "initd.ini"
            path.write_bytes(config if isinstance(config, bytes) else config.encode())
            subcommand = argv[:1] if argv and argv[0] in ("run", "check", "healthcheck") else ()
            argv = [*subcommand, "-c", str(path), *argv[len(subcommand):]]
        environment = environment_of(env)
        streams = {0: stdin, 1: stdout, 2: stderr}
        ours = []
        if terminal:
            master, slave = pty.openpty()
            ours.append(slave)
            streams |= {number: slave for number in ((0, 1) if terminal == "stdio" else (0, 1, 2))}
            inherit["terminal"] = True
            self.readers[1] = Reader(master)
        for number in (1, 2):
            if streams[number] is None:
                read_end, streams[number] = os.pipe()
                ours.append(streams[number])
                self.readers[number] = Reader(read_end)

        mounts = [(etc or lab.default_etc, f"{root or ''}/etc"), *mounts]
        command = [*prefix, str(lab.binary), *map(os.fsdecode, argv)]
        if inherit:
            path = lab.room() / "inherit.json"
            path.write_text(json.dumps(inherit))
            command = [*lab.helper("start_with.py", path), *command]
        if root:
            command = ["chroot", str(root), *command]
        command = [*unshare(), "/bin/sh", "-c", {True: AS_PID_1, False: BELOW_PID_1, "lingers": LINGERING}[pid1], "sh",
                   *(str(word) for pair in mounts for word in pair), "--", *command]
        self.env = env or {}
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, env=environment, cwd=cwd, stdin=streams[0], stdout=streams[1],
                                        stderr=streams[2], pass_fds=pass_fds)
        for fd in ours:
            os.close(fd)
        self.pid1 = pid1
        self._pid = None

    @property
    def terminal(self):
        """The terminal's other side."""
        return self.readers[1].fd

    # Who is there

    def pid_before_exec(self):
        """The pid of what start_with.py has not turned into initd yet."""
        def find():
            return [process.pid for process in descendants(self.process.pid) if process.comm.startswith("python")]
        return wait_until(find, what="start_with.py to start")[0]

    @property
    def pid(self):
        """initd's pid as seen from here; waits until initd is what runs there."""
        if self._pid is None:
            def find():
                tree = descendants(self.process.pid)
                level = [process for process in tree if process.ppid == self.process.pid]
                if self.pid1 is not True:
                    level = [process for process in tree if level and process.ppid == level[0].pid]
                return [process.pid for process in level if process.comm == "initd"] or self.process.poll() is not None
            found = wait_until(find, what=f"initd to start: {self.transcript()}")
            assert found is not True, f"initd has already ended: {self.transcript()}"
            self._pid = found[0]
        return self._pid

    def processes(self):
        """All processes below initd."""
        return descendants(self.pid)

    def child_pid(self):
        """The pid of the server that the log named last."""
        def find():
            named = re.findall(r"started pid (\d+)", self.stderr)
            return named and self.outer(int(named[-1]))
        return wait_until(find, what=f"a started child: {self.transcript()}")

    def outer(self, inner):
        """The pid here of what the namespace calls inner, None if it is gone."""
        for process in self.processes():
            try:
                if read_status(process.pid)["NSpid"].split()[-1] == str(inner):
                    return process.pid
            except OSError:
                continue
        return None

    # What it said

    @property
    def stdout(self):
        return self.readers[1].text

    @property
    def stderr(self):
        return self.readers[2].text if 2 in self.readers else ""

    def transcript(self):
        said = {1: "stdout", 2: "stderr"}
        return "".join(f"\n{said[number]}: {reader.text}" for number, reader in self.readers.items())

    def says(self, text, timeout=10.0):
        """Wait until the child has written text (a pattern: anything with .search) to stdout."""
        return self._wait_for(text, 1, timeout)

    def logs(self, text, timeout=10.0):
        """The same for stderr, where initd logs."""
        return self._wait_for(text, 2, timeout)

    def _wait_for(self, text, number, timeout):
        def find():
            said = self.readers[number].text
            return text.search(said) if hasattr(text, "search") else text in said
        try:
            return wait_until(find, timeout)
        except AssertionError:
            pytest.fail(f"not said within {timeout} s: {text!r}; exit code {self.process.poll()}{self.transcript()}")

    @property
    def inner_pid(self):
        """initd's pid in its own namespace."""
        return int(read_status(self.pid)["NSpid"].split()[-1])

    @property
    def control_name(self):
        """The name of its control socket as /proc/net/unix shows it."""
        namespace = os.stat(f"/proc/{self.process.pid}/ns/pid_for_children").st_ino
        return f"@initd/{namespace}/{self.inner_pid}"

    def hears(self):
        """Wait until it can be asked."""
        wait_until(lambda: self.control_name in Path("/proc/net/unix").read_text().split(),
                   what=f"the control socket: {self.transcript()}")

    # Who comes beside it, as `docker exec` and HEALTHCHECK do

    def enter(self, *words, uid=None, env=None, **how):
        """Start words in the namespaces of this run, with the same environment and `env`; a Popen."""
        of = f"/proc/{self.process.pid}/ns"
        # Until unshare has forked, its children have no namespace of their own yet.
        wait_until(lambda: os.path.exists(f"{of}/pid_for_children") and descendants(self.process.pid),
                   what="the namespaces")
        user = () if REAL_ROOT else (f"--user={of}/user", "--preserve-credentials")
        identity = () if uid is None else ("--setuid", str(uid), "--setgid", str(uid))
        command = ["nsenter", *user, f"--mount={of}/mnt", f"--pid={of}/pid_for_children", *identity, "--", *words]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([str(word) for word in command], cwd="/", env=environment_of(self.env | (env or {})),
                                **pipes | how)

    def ask(self, *argv, **how):
        """Run `initd argv` there to its end: a subcommand that has something to ask this initd."""
        return finish(self.enter(self.lab.binary, *argv, **how))

    def status(self, *argv):
        """What it tells about itself."""
        answer = self.ask("status", "--json", *argv)
        assert answer.returncode == 0, f"{answer}{self.transcript()}"
        return json.loads(answer.stdout)

    def reaches(self, state):
        """Wait until it says that it is in this state; the whole status then."""
        seen = []

        def find():
            seen.append(self.status())
            return seen[-1]["state"] == state
        try:
            wait_until(find)
        except AssertionError:
            pytest.fail(f"never {state}: {[status['state'] for status in seen]}{self.transcript()}")
        return seen[-1]

    # What is done to it

    def kill(self, signum):
        os.kill(self.pid, signum)

    def type(self, keys):
        os.write(self.terminal, keys)

    def wait(self, timeout=10.0):
        """initd's exit code, when all that it and the child wrote has been read; a signal n is -n."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            names = [f"{p.pid} {p.comm} {p.state}" for p in descendants(self.process.pid)]
            pytest.fail(f"initd has not ended within {timeout} s: {names}{self.transcript()}")
        for reader in self.readers.values():
            reader.finish()
        return code

    def close(self):
        """End what is left: PID 1 first, since a drop of privileges may have undone --kill-child."""
        if self.process.poll() is None:
            for process in all_processes():
                if process.ppid == self.process.pid:
                    kill_quietly(process.pid)
            kill_quietly(self.process.pid)
            self.process.wait(10)
        for reader in self.readers.values():
            reader.close()


def limit_descriptors(run, limit):
    """Set the soft limit of a running initd, as its own user can."""
    uid = read_status(run.pid)["Uid"].split()[0] if REAL_ROOT else None
    process = finish(run.enter("prlimit", "--pid", run.inner_pid, f"--nofile={limit}:", uid=uid))
    assert process.returncode == 0, process


def finish(process, timeout=20):
    """The end of a Popen with pipes, as subprocess.run() returns it."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def end(process):
    """Kill a Popen of Run.enter(): what it runs lives below it."""
    for pid in [process.pid, *(below.pid for below in descendants(process.pid))]:
        kill_quietly(pid)
    process.communicate()


def kill_quietly(pid, signum=signal.SIGKILL):
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass


def descendants(pid):
    """All processes below pid: orphans stay inside, their new parent is the namespace's PID 1."""
    children = {}
    for process in all_processes():
        children.setdefault(process.ppid, []).append(process)
    found, queue = [], [pid]
    while queue:
        for process in children.get(queue.pop(), ()):
            found.append(process)
            queue.append(process.pid)
    return found


def open_gate(fifo):
    """Let a start_with.py go on that waits for this FIFO."""
    def reached():
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            return True
        except OSError:     # ENXIO: nobody reads yet
            return False
    wait_until(reached, what="start_with.py to wait")


class Trace:
    """strace around an initd from before its exec: words are strace's, text() is what it wrote."""

    def __init__(self, start, lab, words, *argv, inherit=None, env=None, **how):
        room = lab.room()
        gate = room / "gate"
        os.mkfifo(gate)
        self.log = room / "strace"
        # The leak check needs ptrace for itself.
        self.run = start(*argv, inherit={**(inherit or {}), "wait_for": str(gate)},
                         env={**sanitizer("detect_leaks=0"), **(env or {})}, **how)
        pid = self.run.pid_before_exec()
        self.strace = subprocess.Popen(["strace", "-qq", "-o", str(self.log), *words, "-p", str(pid)],
                                       stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: self.strace.poll() is not None or read_status(pid)["TracerPid"] != "0",
                       what="strace to attach")
            if self.strace.poll() is not None:
                pytest.skip(f"needs a strace that can do this: {self.strace.stderr.read().strip()}")
            open_gate(gate)
        except BaseException:
            self.close()
            raise

    def text(self):
        """All that was traced, when strace has ended with what it traced."""
        self.strace.wait(10)
        return self.log.read_text(errors="replace")

    def close(self):
        self.run.close()
        self.strace.kill()
        self.strace.wait()
        self.strace.stderr.close()
