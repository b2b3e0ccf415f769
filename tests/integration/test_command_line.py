# SPDX-License-Identifier: MIT
"""What the words after `initd` mean, and which of the many places an option's value comes from."""

import json
import re

import pytest

PRINT_ARGS = 'import sys, json; print(json.dumps(sys.argv[1:]))'
OPTIONS = """
server.command server.agent_dir server.host server.port server.working_dir server.stop_signal server.drain_delay
server.stop_timeout server.signal_group server.restart server.restart_delay server.restart_delay_max
server.restart_limit server.success_codes user.name user.no_new_privs log.level log.format
""".split()


def assert_refused(run, code, *parts):
    assert run.wait() == code
    lines = run.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("initd: error: ")
    for part in parts:
        assert part in lines[0]


def test_version_is_one_line_on_stdout(initd):
    run = initd("--version")
    assert run.wait() == 0
    assert re.fullmatch(r"initd \d+\.\d+\S*\n", run.stdout)
    assert run.stderr == ""


def test_help_is_on_stdout_and_names_what_there_is(initd):
    run = initd("--help")
    assert run.wait() == 0
    for word in ("run", "check", "-c", "-o", "--json", "--version", "--help", "COMMAND"):
        assert word in run.stdout
    assert run.stderr == ""


@pytest.mark.parametrize("option", ["--nosuch", "-x", "--versionx", "--jso"])
def test_an_unknown_option_is_a_usage_error(initd, option):
    assert_refused(initd(option, "true"), 64, option)


@pytest.mark.parametrize("option", ["-c", "-o"])
def test_an_option_without_its_value_is_a_usage_error(initd, option):
    assert_refused(initd(option), 64, option)


@pytest.mark.parametrize("words", [["--json", "true"], ["run", "--json", "true"]])
def test_an_option_of_check_alone_is_a_usage_error_elsewhere(initd, words):
    assert_refused(initd(*words), 64, "--json")


@pytest.mark.parametrize("before", [[], ["--"], ["run"], ["run", "--"], ["-o", "log.level=info", "--"]])
def test_options_end_at_the_first_operand(initd, lab, before):
    words = ["--version", "-c", "/nosuch", "--", "run", "-o"]
    run = initd(*before, lab.python, "-I", "-S", "-c", PRINT_ARGS, *words)
    assert run.wait() == 0
    assert json.loads(run.stdout) == words


@pytest.mark.parametrize("before, name", [
    (["run"], "check"),
    (["run"], "run"),
    (["--"], "check"),
    (["--"], "run"),
    (["run", "--"], "run"),
    (["-o", "log.level=info"], "check"),
    (["-o", "log.level=info"], "run"),
    (["--"], "--version"),
    (["run", "--"], "--help"),
])
def test_only_the_first_word_can_be_a_subcommand(initd, lab, room, before, name):
    lab.script(room / name, '#!/bin/sh\necho "I am $0"\n')
    run = initd(*before, name, env={"PATH": f"{room}:/usr/bin:/bin"})
    assert run.wait() == 0
    assert run.stdout == f"I am {room}/{name}\n"


@pytest.mark.parametrize("argument", [
    "", " ", "a b", "a\nb", "'\"$HOME`id`*~", "\\", "żółć", b"\xff\xfe", "x" * 100_000,
])
def test_arguments_reach_the_child_byte_for_byte(initd, lab, argument):
    show = "import os, sys; os.write(1, os.fsencode(sys.argv[1]))"
    run = initd(lab.python, "-I", "-S", "-c", show, argument)
    assert run.wait() == 0
    assert run.readers[1].data == (argument if isinstance(argument, bytes) else argument.encode())


@pytest.mark.parametrize("written, words", [
    ("a b  c", ["a", "b", "c"]),
    ("'a b' c", ["a b", "c"]),
    ('"a b"c', ["a bc"]),
    ("''", [""]),
    (r"a\ b", ["a b"]),
    (r'"a\"b"', ['a"b']),
    (r"'a\b'", [r"a\b"]),
    ("$HOME ${HOME} `id` $(id) ~ * ? [a] {a,b}", ["$HOME", "${HOME}", "`id`", "$(id)", "~", "*", "?", "[a]", "{a,b}"]),
    ("| & > < #x", ["|", "&", ">", "<", "#x"]),
])
def test_server_command_is_split_as_a_shell_does_and_nothing_is_expanded(initd, lab, room, written, words):
    script = lab.script(room / "show", f"#!{lab.python} -IS\n{PRINT_ARGS}\n")
    run = initd(config=f"[server]\ncommand = {script} {written}\n")
    assert run.wait() == 0
    assert json.loads(run.stdout) == words


def test_command_beats_server_command(initd):
    run = initd("echo", "words", config="[server]\ncommand = echo file\n")
    assert run.wait() == 0
    assert run.stdout == "words\n"


def test_the_working_directory_is_the_childs(initd, room):
    run = initd("-o", f"server.working_dir={room}", "pwd")
    assert run.wait() == 0
    assert run.stdout == f"{room}\n"


def test_the_working_directory_is_unchanged_by_default(initd, room):
    run = initd("pwd", cwd=room)
    assert run.wait() == 0
    assert run.stdout == f"{room}\n"


# From the weakest to the strongest.
PLACES = ["default", "file", "alias", "INITD_*", "-o"]


@pytest.mark.parametrize("places", [
    [place for bit, place in enumerate(PLACES) if bits >> bit & 1] for bits in range(1, 32, 2)
], ids=" ".join)
def test_the_strongest_place_decides(initd, places):
    config = "[server]\nport = 1001\n" if "file" in places else ""
    env = {}
    if "alias" in places:
        env["PORT"] = "1002"
    if "INITD_*" in places:
        env["INITD_SERVER_PORT"] = "1003"
    args = ["-o", "server.port=1004"] if "-o" in places else []
    expected = {"default": "8000", "file": "1001", "alias": "1002", "INITD_*": "1003", "-o": "1004"}[places[-1]]
    run = initd(*args, "sh", "-c", "echo $PORT", config=config, env=env)
    assert run.wait() == 0
    assert run.stdout == f"{expected}\n"


def test_the_default_file_is_read(initd, lab):
    etc = lab.etc(**{"initd.ini": "[server]\nport = 1001\n"})
    run = initd("sh", "-c", "echo $PORT", etc=etc)
    assert run.wait() == 0
    assert run.stdout == "1001\n"


def test_initd_config_names_the_file(initd, lab, room):
    (room / "named.ini").write_text("[server]\nport = 1002\n")
    etc = lab.etc(**{"initd.ini": "[server]\nport = 1001\nhost = ::1\n"})
    run = initd("sh", "-c", "echo $HOST $PORT", etc=etc, env={"INITD_CONFIG": f"{room}/named.ini"})
    assert run.wait() == 0
    assert run.stdout == "0.0.0.0 1002\n", "the default file counts for nothing beside a named one"


def test_c_beats_initd_config(initd):
    run = initd("sh", "-c", "echo $PORT", config="[server]\nport = 1001\n", env={"INITD_CONFIG": "/nosuch"})
    assert run.wait() == 0
    assert run.stdout == "1001\n"


def test_dev_null_is_a_file_without_options(initd, lab):
    etc = lab.etc(**{"initd.ini": "[server]\nport = 1001\n"})
    run = initd("-c", "/dev/null", "sh", "-c", "echo $PORT", etc=etc)
    assert run.wait() == 0
    assert run.stdout == "8000\n"


@pytest.mark.parametrize("env", [
    {"INITD_FOO": "1"},
    {"INITD_WATCH_ENABLED": "no"},
    {"INITD_CHANGED": "[]"},
    {"INITD_": "1"},
    {"INITD_TEST_STRICT": "1"},
], ids=lambda env: next(iter(env)))
def test_foreign_initd_variables_are_ignored_and_passed_on(initd, env):
    name, value = next(iter(env.items()))
    run = initd("printenv", name, env=env)
    assert run.wait() == 0
    assert run.stdout == f"{value}\n"


def test_signals_and_env_can_be_set_by_environment_and_option(initd):
    run = initd("-o", "env.B=option", "sh", "-c", "echo $A $B", env={"INITD_ENV_A": "environment"})
    assert run.wait() == 0
    assert run.stdout == "environment option\n"


@pytest.mark.parametrize("words, code, part", [
    (["-c", "/dev/null", "-c", "/dev/null"], 64, "-c"),
    (["-o", "server.port=1", "-o", "server.port=2"], 78, "server.port"),
])
def test_saying_a_thing_twice_is_an_error(initd, words, code, part):
    assert_refused(initd(*words, "true"), code, part)


# check

def effective(report):
    """{option: {"value": …, "origin": …}} of `check --json`, in whatever shape it lists them."""
    found = {}

    def walk(node):
        if isinstance(node, dict):
            name = node.get("name") or node.get("option")
            if isinstance(name, str) and "value" in node:
                found[name] = node
            for key, inner in node.items():
                if isinstance(inner, dict) and "value" in inner and "." in key:
                    found[key] = inner
                else:
                    walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(report)
    return found


def test_check_shows_every_option_with_its_value_and_origin(initd):
    run = initd("check", "-o", "log.level=warn", "true", env={"PORT": "1002", "INITD_SERVER_HOST": "::1"})
    assert run.wait() == 0, run.transcript()
    lines = run.stdout.splitlines()
    for name in OPTIONS:
        assert any(name in line for line in lines), name
    for name, value, origin in [
        ("server.port", "1002", "PORT"),
        ("server.host", "::1", "INITD_SERVER_HOST"),
        ("log.level", "warn", "-o"),
        ("user.no_new_privs", "yes", "default"),
    ]:
        assert any(name in line and value in line and origin in line for line in lines), name


def test_check_json_shows_every_option_with_its_value_and_origin(initd):
    run = initd("check", "--json", "-o", "log.level=warn", "true", config="[server]\nport = 1001\nrestart = always\n")
    assert run.wait() == 0, run.transcript()
    options = effective(json.loads(run.stdout))
    assert set(OPTIONS) <= set(options)
    assert str(options["server.port"]["value"]) == "1001"
    assert re.search(r"initd\.ini:2$", options["server.port"]["origin"])
    assert re.search(r"initd\.ini:3$", options["server.restart"]["origin"])
    assert options["log.level"]["value"] == "warn"
    assert "-o" in options["log.level"]["origin"]
    assert options["server.host"]["value"] == "0.0.0.0"
    assert options["server.host"]["origin"] == "default"


def test_check_json_is_json_whatever_the_values_are(initd):
    run = initd("check", "--json", "-o", 'server.command=a "b\\\\" \'\x01\x7f\'', "-o", "env.X=\u00e9\t\"", "true")
    assert run.wait() == 0, run.transcript()
    json.loads(run.stdout)


def test_check_starts_nothing(initd, room):
    run = initd("check", "touch", f"{room}/mark")
    run.wait()
    assert not (room / "mark").exists()


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_check_fails_by_the_same_line_as_run(initd, json_option):
    run = initd("check", *json_option, "-o", "server.port=0", "true")
    assert run.wait() == 78
    lines = [line for line in run.stderr.splitlines() if "server.port" in line]
    assert lines and lines[0].startswith("initd: error: -o server.port=0: ")


@pytest.mark.parametrize("words", [
    ["{room}/plain"], ["{room}"], ["plain"], ["nosuch"], ["{room}/nosuch"], ["-o", "user.name=nosuch", "true"], [],
], ids=["no x bit", "a directory", "no x bit in PATH", "not in PATH", "no file", "no user", "no command"])
def test_check_ends_as_run_would(initd, room, words):
    (room / "plain").write_text("#!/bin/sh\n")
    words = [word.format(room=room) for word in words]
    env = {"PATH": f"{room}:/usr/bin:/bin"}
    code = initd(*words, env=env).wait()
    assert code and initd("check", *words, env=env).wait() == code


def test_check_sees_too_few_open_files_before_anything_else(initd):
    run = initd("check", "-o", "user.name=nosuch", "true", inherit={"nofile": 20})
    assert run.wait() == 71, run.transcript()
