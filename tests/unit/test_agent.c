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
	};

	return cmocka_run_group_tests_name("agent", tests, enter_folder, leave_folder);
}
