/* SPDX-License-Identifier: MIT */
/* What Python keeps of a source file goes, and nothing else does. */
#include "bytecode.h"

#include "unit.h"

#include <errno.h>
#include <limits.h>

enum {
	FILES_MAX = 6,
};

/* "a/b" is a file, "a/" a directory; each with all that it needs, below "tree". */
static void
make_entry(const char *entry)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "tree/%s", entry);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700); /* it may be there */
		*slash = '/';
	}
	if (path[strlen(path) - 1] != '/')
		write_file(path, "");
}

static void
make_tree(const char *const gone[FILES_MAX], const char *const stay[FILES_MAX])
{
	if (access("tree", F_OK) == 0)
		assert_int_equal(remove_tree("tree"), 0);
	assert_int_equal(mkdir("tree", 0700), 0);
	for (size_t i = 0; i < FILES_MAX && gone[i]; i++)
		make_entry(gone[i]);
	for (size_t i = 0; i < FILES_MAX && stay[i]; i++)
		make_entry(stay[i]);
}

static void
expect_entries(const char *row, const char *const entries[FILES_MAX], bool expected)
{
	for (size_t i = 0; i < FILES_MAX && entries[i]; i++) {
		char path[PATH_MAX], label[PATH_MAX + 128];
		struct stat st;

		(void)snprintf(path, sizeof path, "tree/%s", entries[i]);
		(void)snprintf(label, sizeof label, "%s, %s", row, entries[i]);
		expect_equal(label, lstat(path, &st) == 0, expected);
	}
}

static void
what_goes_and_what_stays(void **state)
{
	static const struct {
		const char *path; /* in the tree */
		const char *gone[FILES_MAX], *stay[FILES_MAX];
		int status;
	} rows[] = {
		/* every interpreter, every level of optimization */
		{ "agent.py",
		    { "__pycache__/agent.cpython-313.pyc", "__pycache__/agent.cpython-311.pyc",
			"__pycache__/agent.cpython-313.opt-1.pyc",
			"__pycache__/agent.cpython-313.opt-2.pyc",
			"__pycache__/agent.pypy310.pyc" },
		    { "agent.py" }, 0 },
		{ "pkg/sub/m.py", { "pkg/sub/__pycache__/m.cpython-313.pyc" },
		    { "pkg/sub/m.py", "pkg/__pycache__/m.cpython-313.pyc",
			"__pycache__/m.cpython-313.pyc" },
		    0 },
		{ "pkg/__init__.py", { "pkg/__pycache__/__init__.cpython-313.pyc" },
		    { "pkg/__pycache__/__main__.cpython-313.pyc" }, 0 },

		/* the source need not be there: it may just have been removed */
		{ "m.py", { "__pycache__/m.cpython-313.pyc" }, { NULL }, 0 },

		/* others stay */
		{ "m.py", { "__pycache__/m.cpython-313.pyc" },
		    { "__pycache__/mm.cpython-313.pyc", "__pycache__/m2.cpython-313.pyc",
			"__pycache__/xm.cpython-313.pyc", "__pycache__/n.cpython-313.pyc",
			"__pycache__/M.cpython-313.pyc" },
		    0 },
		{ "m.py", { NULL },
		    { "m.pyc", "m.cpython-313.pyc", "__pycache__/m.py", "__pycache__/m.txt",
			"__pycache__/m.cpython-313.pyc.139872" },
		    0 },
		{ "m.py", { NULL },
		    { "__pycache__/m", "__pycache__/m.", "__pycache__/m.cpython-313.pyo",
			"__pycache__/m.cpython-313.pycx", "__pycache__/mpyc" },
		    0 },
		{ "m.py", { NULL },
		    { "pycache/m.cpython-313.pyc", "pkg/__pycache__/m.cpython-313.pyc" }, 0 },

		/* a name is no pattern */
		{ "*.py", { NULL }, { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "?.py", { NULL }, { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "[lm].py", { "__pycache__/[lm].cpython-313.pyc" },
		    { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "[x]/m.py", { "[x]/__pycache__/m.cpython-313.pyc" },
		    { "x/__pycache__/m.cpython-313.pyc" }, 0 },
		{ "a b\n.py", { "__pycache__/a b\n.cpython-313.pyc" }, { NULL }, 0 },

		/* no source, no cache */
		{ "m.pyi", { NULL },
		    { "__pycache__/m.cpython-313.pyc", "__pycache__/m.pyi.cpython-313.pyc" }, 0 },
		{ "m.json", { NULL }, { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "m", { NULL }, { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "m.PY", { NULL }, { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "py", { NULL }, { "__pycache__/m.cpython-313.pyc" }, 0 },
		{ "m.py", { NULL }, { "m.py" }, 0 },
		{ "missing/m.py", { NULL }, { "m.py" }, 0 },

		/* the first that cannot be removed is told, and the others go all the same */
		{ "m.py",
		    { "__pycache__/m.cpython-310.pyc", "__pycache__/m.cpython-311.pyc",
			"__pycache__/m.cpython-313.pyc", "__pycache__/m.cpython-314.pyc" },
		    { "__pycache__/m.cpython-312.pyc/" }, -EISDIR },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char path[256], row[64];

		make_tree(rows[i].gone, rows[i].stay);
		(void)snprintf(path, sizeof path, "tree/%s", rows[i].path);
		(void)snprintf(row, sizeof row, "row %zu, %s", i, rows[i].path);
		expect_equal(row, bytecode_remove(path), rows[i].status);
		expect_entries(row, rows[i].gone, false);
		expect_entries(row, rows[i].stay, true);
	}
}

static void
a_path_may_be_absolute_or_have_no_directory(void **state)
{
	static const char *const gone[FILES_MAX] = { "__pycache__/m.cpython-313.pyc" };
	static const char *const none[FILES_MAX] = { NULL };
	char root[PATH_MAX], path[PATH_MAX + 32];

	(void)state;
	assert_non_null(getcwd(root, sizeof root));
	make_tree(gone, none);
	(void)snprintf(path, sizeof path, "%s/tree/m.py", root);
	assert_int_equal(bytecode_remove(path), 0);
	expect_entries("absolute", gone, false);
	make_tree(gone, none);
	assert_int_equal(chdir("tree"), 0);
	assert_int_equal(bytecode_remove("m.py"), 0);
	assert_int_equal(chdir(".."), 0);
	expect_entries("no directory", gone, false);
}

static void
a_link_goes_and_what_it_points_to_stays(void **state)
{
	static const char *const none[FILES_MAX] = { NULL };
	static const char *const gone[FILES_MAX] = { "__pycache__/m.cpython-313.pyc" };
	static const char *const stay[FILES_MAX] = { "kept.pyc", "__pycache__/" };

	(void)state;
	make_tree(none, stay);
	assert_int_equal(symlink("../kept.pyc", "tree/__pycache__/m.cpython-313.pyc"), 0);
	assert_int_equal(bytecode_remove("tree/m.py"), 0);
	expect_entries("link", gone, false);
	expect_entries("link", stay, true);
}

/* Too long to exist: nothing is removed, and nothing is written where it does not fit. */
static void
a_path_that_is_too_long_has_no_cache(void **state)
{
	static const size_t lengths[] = { PATH_MAX - 20, PATH_MAX - 1, PATH_MAX, PATH_MAX + 1,
		4 * PATH_MAX };
	static const char *const none[FILES_MAX] = { NULL };
	static const char *const stay[FILES_MAX] = { "__pycache__/m.cpython-313.pyc" };

	(void)state;
	make_tree(none, stay);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		char *path = malloc(lengths[i] + 1), row[32];

		assert_non_null(path);
		for (size_t c = 0; c < lengths[i]; c++)
			path[c] = c % 2 ? '/' : '.'; /* each "./" is the same directory */
		memcpy(path, "tree", 4);
		memcpy(path + lengths[i] - 5, "/m.py", sizeof "/m.py");
		(void)snprintf(row, sizeof row, "%zu", lengths[i]);
		/* The cache's own path is longer than the source's. */
		expect_equal(row, bytecode_remove(path) <= 0, true);
		if (lengths[i] >= PATH_MAX)
			expect_entries(row, stay, true);
		free(path);
	}
}

static void
no_descriptor_stays_open(void **state)
{
	static const char *const none[FILES_MAX] = { NULL };
	static const char *const stay[FILES_MAX] = { "__pycache__/" };
	int before, after;

	(void)state;
	make_tree(none, stay);
	before = next_descriptor();
	assert_int_equal(bytecode_remove("tree/m.py"), 0);
	assert_int_equal(bytecode_remove("tree/x/m.py"), 0);
	after = next_descriptor();
	assert_int_equal(after, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_and_what_stays),
		cmocka_unit_test(a_path_may_be_absolute_or_have_no_directory),
		cmocka_unit_test(a_link_goes_and_what_it_points_to_stays),
		cmocka_unit_test(a_path_that_is_too_long_has_no_cache),
		cmocka_unit_test(no_descriptor_stays_open),
	};

	return cmocka_run_group_tests_name("bytecode", tests, enter_folder, leave_folder);
}
