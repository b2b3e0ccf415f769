# SPDX-License-Identifier: MIT
"""A COMMAND that cannot be run, and the one that is found where none is given."""

import pytest

from pidns import needs_real_root


def assert_cannot_run(run, code, name, *reasons):
    assert run.wait() == code, run.transcript()
    lines = run.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"initd: error: cannot run {name}: ")
    assert any(reason in lines[0] for reason in reasons), lines[0]


@pytest.mark.parametrize("name", ["nosuch", "/nosuch", "./nosuch"])
def test_a_missing_command_is_127_as_in_a_shell(initd, name):
    assert_cannot_run(initd(name), 127, name, "not found")


def test_a_file_where_a_directory_should_be_is_said_in_one_line(initd):
    run = initd("/etc/passwd/x")
    assert run.wait() in (126, 127)
    assert run.stderr.startswith("initd: error: cannot run /etc/passwd/x: ") and run.stderr.count("\n") == 1


def test_an_empty_command_is_127(initd):
    run = initd("")
    assert run.wait() == 127
    assert run.stderr.count("\n") == 1


def test_a_file_without_the_x_bit_is_126(initd, room):
    (room / "plain").write_text("#!/bin/sh\n")
    assert_cannot_run(initd(f"{room}/plain"), 126, f"{room}/plain", "ermission denied", "not executable")


def test_a_directory_is_126(initd, room):
    assert_cannot_run(initd(str(room)), 126, str(room), "directory", "ermission denied")


@pytest.mark.parametrize("text", ["echo no magic\n", "", "\n#!/bin/sh\n"])
def test_a_script_without_its_first_line_is_126_and_not_given_to_a_shell(initd, lab, room, text):
    lab.script(room / "script", text)
    run = initd(f"{room}/script")
    assert_cannot_run(run, 126, f"{room}/script", "#!", "format")
    assert run.stdout == ""


def test_a_missing_interpreter_is_127_and_named(initd, lab, room):
    lab.script(room / "script", "#!/nosuch/python3\n")
    run = initd(f"{room}/script")
    assert_cannot_run(run, 127, f"{room}/script", "interpreter")


def test_carriage_returns_in_the_first_line_are_127_and_explained(initd, lab, room):
    lab.script(room / "script", "#!/bin/sh\r\necho x\r\n")
    run = initd(f"{room}/script")
    assert_cannot_run(run, 127, f"{room}/script", "interpreter")


@pytest.mark.parametrize("content", [b"\x7fELF", b"\x7fELF" + b"\0" * 60, b"\x7fELF" + b"\xff" * 4000])
def test_a_broken_elf_file_is_126(initd, room, content):
    (room / "program").write_bytes(content)
    (room / "program").chmod(0o755)
    assert_cannot_run(initd(f"{room}/program"), 126, f"{room}/program", "format", "neither a program")


def test_a_symlink_to_itself_is_126(initd, room):
    (room / "loop").symlink_to("loop")
    run = initd(f"{room}/loop")
    assert run.wait() == 126
    assert f"cannot run {room}/loop" in run.stderr and run.stderr.count("\n") == 1


def test_a_name_that_is_too_long_is_refused(initd):
    run = initd("x" * 300)
    assert run.wait() in (126, 127)
    assert "cannot run xxx" in run.stderr and run.stderr.count("\n") == 1


def test_arguments_that_are_too_long_are_said_in_one_short_line(initd, room):
    run = initd("true", *["x" * 120_000] * 15, config="[env]\nX = x\n")
    code = run.wait()
    assert code in (0, 126, 71)
    if code:
        assert run.stderr.count("\n") == 1 and len(run.stderr) < 1000


@needs_real_root
def test_a_file_that_only_root_may_execute_is_126_for_the_user(initd, lab, room):
    lab.script(room / "roots", "#!/bin/sh\n").chmod(0o700)
    assert_cannot_run(initd(f"{room}/roots"), 126, f"{room}/roots", "ermission denied", "not executable")


def test_a_candidate_in_the_path_that_cannot_run_is_126(initd, room):
    (room / "tool").write_text("#!/bin/sh\n")
    run = initd("tool", env={"PATH": f"{room}:/usr/bin"})
    assert run.wait() == 126
    assert "cannot run tool: " in run.stderr


def test_the_path_is_searched_past_what_cannot_run(initd, lab, room):
    for name in ("first", "second", "third"):
        (room / name).mkdir()
    (room / "first" / "tool").write_text("#!/bin/sh\necho first\n")
    (room / "second" / "tool").mkdir()
    lab.script(room / "third" / "tool", "#!/bin/sh\necho third\n")
    run = initd("tool", env={"PATH": f"{room}/nosuch:{room}/first:{room}/second:{room}/third:/usr/bin"})
    assert run.wait() == 0
    assert run.stdout == "third\n"


@pytest.mark.parametrize("path", [[], ["PATH="]])
def test_a_command_with_a_slash_needs_no_path(initd, path):
    run = initd("/bin/sh", "-c", "echo fine", inherit={"raw_env": ["INITD_USER_NAME=0", *path]})
    assert run.wait() == 0
    assert run.stdout == "fine\n"


def test_without_a_path_the_usual_places_are_searched(initd):
    run = initd("sh", "-c", "echo fine", env={"PATH": None})
    assert run.wait() == 0
    assert run.stdout == "fine\n"


def test_the_name_of_a_command_cannot_break_the_line(initd):
    run = initd("no\nsuch\x1b[2J")
    assert run.wait() == 127
    assert run.stderr.count("\n") == 1
    assert "\x1b" not in run.stderr


@pytest.mark.parametrize("policy", ["on-failure", "always"])
def test_what_never_ran_is_not_started_again(initd, policy):
    run = initd("-o", f"server.restart={policy}", "nosuch")
    assert_cannot_run(run, 127, "nosuch", "not found")


# No COMMAND

@pytest.fixture
def discover(initd, lab, room):
    """discover("a/server.py", …) makes the files in AGENT_DIR and starts an initd without COMMAND."""
    (room / "bin").mkdir()
    lab.script(room / "bin" / "python", '#!/bin/sh\necho "$@"\n')
    (room / "src").mkdir()

    def start(*names, **how):
        for name in names:
            path = room / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.write_text("")
        return initd(env={"AGENT_DIR": f"{room}/src", "PATH": f"{room}/bin:/usr/bin:/bin"}, **how)

    return start


@pytest.mark.parametrize("names, words", [
    (["hello/__init__.py", "hello/server.py"], "-m hello.server"),
    (["hello/server.py"], "-m hello.server"),
    (["hello/__main__.py"], "-m hello"),
    (["hello/server.py", "hello/__main__.py"], "-m hello.server"),
    (["hello/server.py", "tools/__init__.py"], "-m hello.server"),
    (["hello/server.py", ".hidden/server.py"], "-m hello.server"),
    (["hello/server.py", "hello.egg-info/server.py"], "-m hello.server"),
    (["hello/server.py", "not-a-name/server.py"], "-m hello.server"),
    (["hello/server.py", "server.py", "__main__.py"], "-m hello.server"),
    (["hello/server.py", "deep/er/server.py"], "-m hello.server"),
    (["hello/server.py", "dir/server.py/"], "-m hello.server"),
])
def test_the_only_package_that_can_be_a_server_is_run(discover, names, words):
    run = discover(*names)
    assert run.wait() == 0, run.transcript()
    assert run.stdout == f"{words}\n"


@pytest.mark.parametrize("names, parts", [
    ([], ["server.py", "__main__.py"]),
    (["hello/__init__.py"], ["server.py", "__main__.py"]),
    (["server.py"], ["server.py"]),
    (["one/server.py", "two/server.py"], ["one", "two"]),
    (["one/server.py", "two/__main__.py"], ["one", "two"]),
])
def test_no_package_or_two_are_an_error_that_says_what_was_looked_for(discover, room, names, parts):
    run = discover(*names)
    assert run.wait() == 78
    lines = run.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("initd: error: ")
    for part in (f"{room}/src", *parts):
        assert part in lines[0]
    assert run.stdout == ""


def test_without_a_command_the_default_agent_dir_must_exist(initd):
    run = initd()
    assert run.wait() == 78
    assert run.stderr.count("\n") == 1
    assert "/app/src" in run.stderr


def test_server_command_beats_the_search(discover):
    run = discover("hello/server.py", config="[server]\ncommand = echo file\n")
    assert run.wait() == 0
    assert run.stdout == "file\n"
