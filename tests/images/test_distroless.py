# SPDX-License-Identifier: MIT
"""conf/distroless.Dockerfile takes everything out of an image but the server, and the server does not miss it."""

import json
import shutil

import pytest

from example import is_app, stops
from harness import ROOT

# Left out, or of no use without a terminal's or a desktop's libraries; the last two do things.
NOT_THERE = {"ensurepip", "idlelib", "test", "tkinter", "turtle", "turtledemo", "_tkinter", "antigravity", "this"}

# What can be imported, and what depends on files outside of Python's own.
LOOK = f"""
import importlib, json, sys


def look(what, *args, **options):
    try:
        return what(*args, **options)
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"


modules = {{name: look(importlib.import_module, name) for name in sorted(sys.stdlib_module_names - {NOT_THERE!r})}}
import ctypes, locale, os, pwd, socket, sqlite3, ssl, subprocess, tempfile, zoneinfo
print(json.dumps(dict(
    modules=[name for name in modules if isinstance(modules[name], str)],
    roots=[os.path.exists(path or "") for path in ssl.get_default_verify_paths()],
    certificates=os.listdir("/etc/ssl/certs"),
    localhost=look(socket.gethostbyname, "localhost"),
    http=look(socket.getservbyname, "http"),
    locale=look(locale.setlocale, locale.LC_ALL, "C.UTF-8"),
    utf8=(sys.flags.utf8_mode, sys.getfilesystemencoding(), sys.stdout.encoding),
    user=look(pwd.getpwnam, "app"),
    sqlite=look(lambda: sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()),
    ctypes=look(lambda: ctypes.CDLL("libc.so.6").getpid() == os.getpid()),
    zones=sorted(zoneinfo.available_timezones()),
    zone=look(lambda: str(zoneinfo.ZoneInfo("Europe/Berlin"))),
    process=look(subprocess.check_output, [sys.executable, "-c", "import fastapi; print(1)"], text=True),
    tempdir=look(tempfile.gettempdir))))
"""


@pytest.fixture(scope="module")
def images(buildkit, buildkit_logs, scratch):
    """The distroless image, and the one that it was made of."""
    context = scratch / "distroless"
    context.mkdir()
    shutil.copy(ROOT / "conf" / "distroless.Dockerfile", context)
    buildkit.build(context, "distroless", f"--file={context}/distroless.Dockerfile",
                   "--build-arg=IMAGE=production-buildkit")
    return "distroless", "production-buildkit"


def test_there_is_no_shell_and_less_than_half_of_the_bytes(docker, images):
    refused = docker.run("--entrypoint", "/bin/sh", images[0], "-c", ":")
    assert refused.returncode == 127 and "no such file" in refused.stderr
    small, whole = (int(docker.ask("image", "inspect", "--format", "{{.Size}}", image)) for image in images)
    print(f"distroless: {small} of {whole} bytes")
    assert small < whole / 2


def test_the_server_runs_as_app_and_docker_calls_it_healthy(docker, images):
    container = docker.start(images[0])
    container.becomes("healthy")
    assert is_app(container.server_pid())
    stops(container)
    hardened = docker.start("--read-only", "--user=4321", "--cap-drop=ALL", "--health-interval=1s", images[0])
    hardened.becomes("healthy")


def test_python_finds_what_it_finds_in_the_whole_image(docker, images):
    looks = []
    for image in images:
        seen = docker.run("--env=SSL_CERT_FILE=", image, "python", "-c", LOOK)
        assert seen.returncode == 0, seen.stderr
        looks.append(json.loads(seen.stdout.splitlines()[-1]))
    small, whole = looks
    assert whole["roots"][1] and len(whole["zones"]) > 400
    assert small == whole
