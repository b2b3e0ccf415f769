/* SPDX-License-Identifier: MIT */
/* AGENT_DIR, its venv, the one package in it. */
#include "agent.h"

#include "unit.h"

#include <errno.h>

#include <limits.h>

enum {
	ENTRIES_MAX = 6,
};

static void
make_parents(const char *path)
{
	char parent[256];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
		(void)mkdir(parent, 0700); /* it may be there */
	}
}

/* "a/b" is a file, "a/" a directory, "a -> b" a link, each with all that it needs. */
static void
make_entry(const char *entry)
{
	const char *arrow = strstr(entry, " -> ");
	char link[256];

	make_parents(entry);
	if (arrow) {
		(void)snprintf(link, sizeof link, "%.*s", (int)(arrow - entry), entry);
		assert_int_equal(symlink(arrow + strlen(" -> "), link), 0);
	} else if (entry[strlen(entry) - 1] != '/') {
		write_file(entry, "");
	}
}

/* A tree "tree" of these entries in the place of the last one. */
static void
make_tree(const char *const entries[ENTRIES_MAX])
{
	if (access("tree", F_OK) == 0)
		assert_int_equal(remove_tree("tree"), 0);
	make_entry("tree/app/src/");
	for (size_t i = 0; i < ENTRIES_MAX && entries[i]; i++) {
		char entry[256];

		(void)snprintf(entry, sizeof entry, "tree/%s", entries[i]);
		make_entry(entry);
	}
}

static void
agent_dir_must_be_a_directory(void **state)
{
	static const char *const entries[ENTRIES_MAX] = { "file", "link -> app", "to_file -> file",
		"dangling -> x", "loop -> loop" };
	static const struct {
		const char *path;
		int expected;
	} rows[] = {
		{ ".", 0 },
		{ "/", 0 },
		{ "tree/app/src", 0 },
		{ "tree/app/src///", 0 },
		{ "tree/link", 0 },
		{ "tree/file", -ENOTDIR },
		{ "tree/to_file", -ENOTDIR },
		{ "tree/file/src", -ENOTDIR },
		{ "tree/x", -ENOENT },
		{ "tree/dangling", -ENOENT },
		{ "tree/loop", -ELOOP },
		{ "", -ENOENT },
	};

	(void)state;
	make_tree(entries);
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_equal(rows[i].path, agent_check_dir(rows[i].path), rows[i].expected);
}

#define NONE                                                                                       \
	"no COMMAND, no server.command, and no package with a server.py or __main__.py in "        \
	"tree/app/src"

static void
the_one_package_with_a_server_is_run(void **state)
{
	static const struct {
		const char *entries[ENTRIES_MAX];
		const char *module; /* or NULL for none */
	} rows[] = {
		{ { "app/src/pkg/server.py" }, "pkg.server" },
		{ { "app/src/pkg/__main__.py" }, "pkg" },
		{ { "app/src/pkg/__main__.py", "app/src/pkg/server.py" }, "pkg.server" },
		{ { "app/src/pkg/__init__.py", "app/src/pkg/server.py", "app/src/lib/__init__.py",
		      "app/src/tests/test_server.py", "app/src/server.py" },
		    "pkg.server" },
		{ { "app/src/_p1/server.py" }, "_p1.server" },
		{ { "app/src/P/server.py" }, "P.server" },
		{ { "app/src/\xd0\xb0\xd0\xb3/server.py" }, "\xd0\xb0\xd0\xb3.server" },
		{ { "app/src/my-agent/server.py", "app/src/pkg/server.py" }, "pkg.server" },
		{ { "app/src/pkg/server.py", "app/src/__pycache__/server.cpython-313.pyc" },
		    "pkg.server" },
		{ { "app/src/pkg/server.py/", "app/src/pkg/__main__.py" }, "pkg" },
		{ { "app/src/pkg/real.py", "app/src/pkg/server.py -> real.py" }, "pkg.server" },
		{ { "app/lib/server.py", "app/src/pkg -> ../lib" }, "pkg.server" },
		{ { NULL }, NULL },
		{ { "app/src/pkg/" }, NULL },
		{ { "app/src/pkg" }, NULL },
		{ { "app/src/pkg/__init__.py" }, NULL },
		{ { "app/src/pkg/server.pyc", "app/src/pkg/Server.py" }, NULL },
		{ { "app/src/pkg/server.py/", "app/src/pkg/__main__.py/" }, NULL },
		{ { "app/src/pkg/server.py -> missing.py" }, NULL },
		{ { "app/src/pkg -> missing" }, NULL },
		{ { "app/src/pkg/sub/server.py" }, NULL },
		{ { "app/src/server.py", "app/src/__main__.py" }, NULL },
		{ { "app/pkg/server.py" }, NULL },
		{ { "app/src/my-agent/server.py" }, NULL },
		{ { "app/src/1pkg/server.py" }, NULL },
		{ { "app/src/.pkg/server.py" }, NULL },
		{ { "app/src/p.kg/server.py" }, NULL },
		{ { "app/src/p kg/server.py" }, NULL },
		{ { "app/src/.venv/server.py", "app/src/a+b/__main__.py" }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *label = shown(rows[i].entries[0]);
		char module[64] = "untouched";
		struct error err = { .msg = "" };

		make_tree(rows[i].entries);
		expect_equal(label, agent_find_module("tree/app/src", module, sizeof module, &err),
		    rows[i].module ? 0 : -1);
		expect_text(label, err.msg, rows[i].module ? "" : NONE);
		expect_text(label, module, rows[i].module ? rows[i].module : "untouched");
	}
}

static void
more_than_one_package_with_a_server_is_an_error(void **state)
{
	static const struct {
		const char *entries[ENTRIES_MAX];
		const char *one, *other;
	} rows[] = {
		{ { "app/src/a/server.py", "app/src/b/server.py" }, "a.server", "b.server" },
		{ { "app/src/a/server.py", "app/src/b/__main__.py" }, "a.server", "b" },
		{ { "app/src/a/__main__.py", "app/src/b/__main__.py", "app/src/c/x.py" }, "a",
		    "b" },
		{ { "app/src/a/server.py", "app/src/b -> a" }, "a.server", "b.server" },
	};
	static const char format[] = "no COMMAND, no server.command, and more than one package "
				     "with a server in tree/app/src: %s, %s";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char module[64], either[256], or_else[256];
		struct error err;

		make_tree(rows[i].entries);
		(void)snprintf(either, sizeof either, format, rows[i].one, rows[i].other);
		(void)snprintf(or_else, sizeof or_else, format, rows[i].other, rows[i].one);
		expect_equal(rows[i].entries[0],
		    agent_find_module("tree/app/src", module, sizeof module, &err), -1);
		/* A directory has no order. */
		expect_text(
		    rows[i].entries[0], err.msg, strcmp(err.msg, or_else) == 0 ? or_else : either);
	}
}

static void
a_module_is_looked_for_in_a_directory(void **state)
{
	static const char *const entries[ENTRIES_MAX] = { "file", "app/src/pkg/server.py" };
	static const struct {
		const char *path;
		size_t size;
		const char *expected;
	} rows[] = {
		{ "tree/app/src", sizeof "pkg.server", "" },
		{ "tree/app/src", sizeof "pkg.server" - 1, "pkg.server: the name is too long" },
		{ "tree/x", 64, "tree/x: No such file or directory" },
		{ "tree/file", 64, "tree/file: Not a directory" },
	};

	(void)state;
	make_tree(entries);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *module = malloc(rows[i].size);
		struct error err = { .msg = "" };

		assert_non_null(module);
		expect_equal(rows[i].path,
		    agent_find_module(rows[i].path, module, rows[i].size, &err),
		    *rows[i].expected ? -1 : 0);
		expect_text(rows[i].path, err.msg, rows[i].expected);
		free(module);
	}
}

/* What stands in for a venv beside AGENT_DIR: /app/.venv, if this machine has one. */
static const char *
usual_venv(void)
{
	return access("/app/.venv/pyvenv.cfg", F_OK) == 0 ? "/app/.venv" : NULL;
}

static void
the_venv_beside_agent_dir_is_found(void **state)
{
	static const struct {
		const char *entries[ENTRIES_MAX];
		const char *agent_dir, *expected; /* in the tree; NULL: none */
	} rows[] = {
		{ { "app/.venv/pyvenv.cfg" }, "app/src", "app/.venv" },
		{ { "app/.venv/pyvenv.cfg" }, "app/src/", "app/.venv" },
		{ { "app/.venv/pyvenv.cfg" }, "app//src//", "app/.venv" },
		{ { "app/.venv/pyvenv.cfg" }, "app/missing", "app/.venv" },
		{ { ".venv/pyvenv.cfg" }, "app", ".venv" },
		{ { "v/pyvenv.cfg", "app/.venv -> ../v" }, "app/src", "app/.venv" },
		{ { "app/.venv/pyvenv.cfg -> /dev/null" }, "app/src", "app/.venv" },
		{ { "app/src/.venv/pyvenv.cfg" }, "app/src", NULL },
		{ { ".venv/pyvenv.cfg" }, "app/src", NULL },
		{ { "app/venv/pyvenv.cfg" }, "app/src", NULL },
		{ { "app/.venv/bin/python" }, "app/src", NULL },
		{ { "app/.venv/" }, "app/src", NULL },
		{ { "app/.venv" }, "app/src", NULL },
		{ { "app/.venv -> ../v" }, "app/src", NULL },
	};
	char root[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(root, sizeof root));
	for (size_t i = 0; i < COUNT(rows); i++) {
		char agent_dir[PATH_MAX + 64], expected[PATH_MAX + 64], venv[PATH_MAX];
		const char *wanted = usual_venv();
		bool found;

		make_tree(rows[i].entries);
		(void)snprintf(agent_dir, sizeof agent_dir, "%s/tree/%s", root, rows[i].agent_dir);
		if (rows[i].expected) {
			(void)snprintf(
			    expected, sizeof expected, "%s/tree/%s", root, rows[i].expected);
			wanted = expected;
		}
		found = agent_find_venv(agent_dir, venv, sizeof venv);
		expect_text(rows[i].entries[0], found ? venv : NULL, wanted);
	}
}

static void
a_venv_whose_path_does_not_fit_is_none(void **state)
{
	static const char *const entries[ENTRIES_MAX] = { "app/.venv/pyvenv.cfg" };
	char root[PATH_MAX], agent_dir[PATH_MAX + 64];
	size_t size;

	(void)state;
	make_tree(entries);
	assert_non_null(getcwd(root, sizeof root));
	(void)snprintf(agent_dir, sizeof agent_dir, "%s/tree/app/src", root);
	size = strlen(root) + sizeof "/tree/app/.venv";
	for (size_t less = 0; less <= 1; less++) {
		char *venv = malloc(size - less);

		assert_non_null(venv);
		/* /app/.venv, if there is one, is shorter. */
		assert_int_equal(
		    agent_find_venv(agent_dir, venv, size - less), less == 0 || usual_venv());
		free(venv);
	}
}

/* ---- is a command the agent's? ---- */

/* "@" becomes the absolute path of the tree. */
static char *
put_root(const char *text)
{
	char root[PATH_MAX], *out;
	const char *at = strchr(text, '@');

	assert_non_null(getcwd(root, sizeof root));
	if (!at)
		out = strdup(text);
	else if (asprintf(&out, "%.*s%s/tree%s", (int)(at - text), text, root, at + 1) < 0)
		out = NULL;
	assert_non_null(out);
	return out;
}

enum {
	WORDS_MAX = 8,
};

static bool
is_run_by(const char *const words[WORDS_MAX], const char *program)
{
	char *argv[WORDS_MAX + 1] = { NULL }, *agent_dir = put_root("@/app/src");
	bool is;

	for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
		argv[i] = put_root(words[i]);
	is = agent_is_run_by(agent_dir, argv, program);
	for (size_t i = 0; i < WORDS_MAX; i++)
		free(argv[i]);
	free(agent_dir);
	return is;
}

/* AGENT_DIR has main.py, pkg/ with server.py, a namespace package, and a file without .py. */
static const char *const agent_entries[ENTRIES_MAX] = { "app/src/main.py", "app/src/pkg/server.py",
	"app/src/ns/sub/x.txt", "app/src/README", "app/src/my-app/run.py", "app/src2/main.py" };

static void
a_command_that_names_a_module_of_agent_dir_runs_it(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		bool expected;
	} rows[] = {
		/* after -m */
		{ { "python", "-m", "pkg" }, true },
		{ { "python", "-m", "pkg.server" }, true },
		{ { "python", "-m", "main" }, true },
		{ { "python", "-m", "ns.sub" }, true },
		{ { "@/app/.venv/bin/python", "-X", "dev", "-m", "pkg", "--port", "8000" }, true },
		{ { "python", "-m", "pytest" }, false },
		{ { "python", "-m", "http.server" }, false },
		{ { "python", "-m", "README" }, false },
		{ { "python", "-m", "pytest", "pkg" }, false },
		{ { "python", "-m", "pk" }, false },
		{ { "python", "-m", "pkg2" }, false },
		{ { "python", "-m", "Pkg" }, false },
		{ { "python", "-m", "server" }, false },
		{ { "python", "-m", "" }, false },
		{ { "python", "-m", "." }, false },
		{ { "python", "-m", ".." }, false },
		{ { "python", "-m", ".pkg" }, false },
		{ { "python", "-m" }, false },

		/* X.y and X.y:app in a word */
		{ { "uvicorn", "pkg.server:app" }, true },
		{ { "uvicorn", "--host", "0.0.0.0", "pkg.server:app", "--reload" }, true },
		{ { "gunicorn", "-w", "4", "-k", "uvicorn.workers.UvicornWorker",
		      "pkg.server:app" },
		    true },
		{ { "gunicorn", "pkg.server:create_app()" }, true },
		{ { "hypercorn", "pkg.server" }, true },
		{ { "uvicorn", "main:app" }, true },
		{ { "uvicorn", "ns.sub:app" }, true },
		{ { "sh", "-c", "exec uvicorn pkg.server:app --port $PORT" }, true },
		{ { "uvicorn", "pkg2.server:app" }, false },
		{ { "uvicorn", "mypkg.server:app" }, false },
		{ { "uvicorn", "other.pkg.server:app" }, false },
		{ { "uvicorn", "server:app" }, false },
		{ { "uvicorn", "README:app" }, false },
		{ { "gunicorn", "--bind", "0.0.0.0:8000", "other:app" }, false },

		/* a FILE.py in it */
		{ { "python", "@/app/src/main.py" }, true },
		{ { "python", "-u", "@/app/src/pkg/server.py" }, true },
		{ { "@/app/src/main.py" }, true },
		{ { "python", "@/app/src/../src/main.py" }, true },
		{ { "python", "@/app/src/my-app/run.py" }, true },
		{ { "fastapi", "run", "main.py" }, true },
		{ { "python", "tree/app/src/pkg/server.py" }, true },
		{ { "python", "@/app/src2/main.py" }, false },
		{ { "python", "@/app/src/missing.py" }, false },
		{ { "python", "@/app/src/../src2/main.py" }, false },
		{ { "python", "missing.py" }, false },
		{ { "cat", "@/app/src/README" }, false },

		/* what is run in the image of a server and is none */
		{ { "bash" }, false },
		{ { "sh", "-l" }, false },
		{ { "pytest" }, false },
		{ { "pytest", "-q", "-x" }, false },
		{ { "python" }, false },
		{ { "pip", "list" }, false },
		{ { "ruff", "check", "." }, false },
		{ { "ls", ".." }, false },
		{ { "ls", "/" }, false },
		{ { "./run" }, false },
		{ { "echo", ":app" }, false },
		{ { "echo", "..:app" }, false },
		{ { "echo", "" }, false },
		{ { "sleep", "0.5" }, false },
		{ { "curl", "http://127.0.0.1:8000/" }, false },
		{ { NULL }, false },
	};

	(void)state;
	make_tree(agent_entries);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char row[256] = "";

		for (size_t w = 0; w < WORDS_MAX && rows[i].words[w]; w++)
			(void)snprintf(
			    row + strlen(row), sizeof row - strlen(row), "%s ", rows[i].words[w]);
		expect_equal(row, is_run_by(rows[i].words, NULL), rows[i].expected);
	}
}

static void
a_script_that_names_a_module_of_agent_dir_runs_it(void **state)
{
	static const char *const words[WORDS_MAX] = { "my-agent", "--verbose" };
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		/* console scripts: pip's, uv's, and a shell's where the path is long */
		{ "#!/v/bin/python\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n"
		  "from pkg.server import main\nif __name__ == '__main__':\n",
		    true },
		{ "#!/v/bin/python\n# -*- coding: utf-8 -*-\nimport sys\n"
		  "from pkg.server import main\n",
		    true },
		{ "#!/bin/sh\n'''exec' \"/v/bin/python\" \"$0\" \"$@\"\n' '''\n"
		  "# -*- coding: utf-8 -*-\nfrom pkg.server import main\n",
		    true },
		{ "#!/v/bin/python\nimport sys\nfrom pkg import main\nsys.exit(main())\n", true },
		{ "#!/usr/bin/env python\nimport sys\nimport pkg\n", true },
		{ "#!/v/bin/python\nimport sys\nfrom uvicorn.main import main\nsys.exit(main())\n",
		    false },
		{ "#!/v/bin/python\nfrom pytest import console_main\n", false },
		{ "#!/v/bin/python\nfrom pkg2.server import main\n", false },
		{ "#!/v/bin/python\nfrom mypkg.server import main\n", false },
		{ "#!/v/bin/python\nfrom other.pkg.server import main\n", false },

		/* shell entrypoints */
		{ "#!/bin/sh\nset -e\nexec uvicorn pkg.server:app --host 0.0.0.0\n", true },
		{ "#!/bin/sh\nexec python -m pkg.server \"$@\"\n", true },
		{ "#!/bin/sh\nexec uvicorn other.server:app\n", false },
		{ "#!/bin/sh\nexec \"$@\"\n", false },
		{ "#!/bin/sh\n", false },
		{ "#!", false },

		/* no script */
		{ "\177ELF pkg.server:app from pkg.server import main\n", false },
		{ "from pkg.server import main\n", false },
		{ "\n#!/bin/sh\nexec uvicorn pkg.server:app\n", false },
		{ "#", false },
		{ "", false },
	};

	(void)state;
	make_tree(agent_entries);
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_file("script", rows[i].text);
		expect_equal(rows[i].text, is_run_by(words, "script"), rows[i].expected);
	}
	assert_false(is_run_by(words, NULL));
	assert_false(is_run_by(words, "missing"));
	assert_false(is_run_by(words, "tree"));
}

static void
of_a_script_the_first_four_kilobytes_count(void **state)
{
	static const char *const words[WORDS_MAX] = { "run.sh" };
	static const struct {
		size_t at; /* where the name starts */
		bool expected;
	} rows[] = { { 100, true }, { 2000, true }, { 4000, true }, { 4097, false },
		{ 100000, false } };
	static const char name[] = "\nexec uvicorn pkg.server:app\n";

	(void)state;
	make_tree(agent_entries);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *text = malloc(rows[i].at + sizeof name), row[32];

		assert_non_null(text);
		(void)snprintf(row, sizeof row, "at %zu", rows[i].at);
		memset(text, '#', rows[i].at);
		memcpy(text, "#!/bin/sh\n", 10);
		memcpy(text + rows[i].at, name, sizeof name);
		write_file("script", text);
		expect_equal(row, is_run_by(words, "script"), rows[i].expected);
		free(text);
	}
}

/* Nothing but one letter: no place to write it all, and nothing to wait for. */
static void
no_command_is_too_strange(void **state)
{
	static const char fillers[] = { 'x', '.', '/', ':', '-', '\xff', ' ' };
	char *agent_dir, python[] = "python", dash_m[] = "-m";
	char *argv[] = { python, dash_m, NULL, NULL };

	(void)state;
	make_tree(agent_entries);
	agent_dir = put_root("@/app/src");
	for (size_t i = 0; i < COUNT(fillers); i++)
		for (size_t length = 1; length < 20000; length = length * 3 + 1) {
			argv[2] = malloc(length + 1);
			assert_non_null(argv[2]);
			memset(argv[2], fillers[i], length);
			argv[2][length] = '\0';
			assert_false(agent_is_run_by(agent_dir, argv, argv[2]));
			assert_false(agent_is_run_by(agent_dir, argv + 1, NULL));
			assert_false(agent_is_run_by(agent_dir, argv + 2, NULL));
			free(argv[2]);
		}
	argv[2] = NULL;
	(void)alarm(10); /* its signal is the end of this test program */
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_false(agent_is_run_by(agent_dir, argv, "fifo"));
	(void)alarm(0);
	free(agent_dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_dir_must_be_a_directory),
		cmocka_unit_test(the_one_package_with_a_server_is_run),
		cmocka_unit_test(more_than_one_package_with_a_server_is_an_error),
		cmocka_unit_test(a_module_is_looked_for_in_a_directory),
		cmocka_unit_test(the_venv_beside_agent_dir_is_found),
		cmocka_unit_test(a_venv_whose_path_does_not_fit_is_none),
		cmocka_unit_test(a_command_that_names_a_module_of_agent_dir_runs_it),
		cmocka_unit_test(a_script_that_names_a_module_of_agent_dir_runs_it),
		cmocka_unit_test(of_a_script_the_first_four_kilobytes_count),
		cmocka_unit_test(no_command_is_too_strange),
	};

	return cmocka_run_group_tests_name("agent", tests, enter_folder, leave_folder);
}
