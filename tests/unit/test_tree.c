/* SPDX-License-Identifier: MIT */
/* What is known of directories and files: found again by name, in order, and forgotten without a trace. */
#include "tree.h"

#include "unit.h"

/* In the order of their bytes, all of one directory. */
static const char *const names[] = { " ", "#x#", "-", ".", "..", ".a", "A", "B.py", "_", "a", "a ",
	"a.", "a.p", "a.py", "a.pyc", "aa", "ab", "b", "py", "\xc3\xa9.py", "\xff" };

static void
check_order(const struct tree_dir *dir)
{
	for (unsigned i = 1; i < dir->n_files; i++)
		if (strcmp(dir->files[i - 1]->name, dir->files[i]->name) >= 0)
			fail_msg("'%s' before '%s'", dir->files[i - 1]->name, dir->files[i]->name);
	for (unsigned i = 1; i < dir->n_dirs; i++)
		if (strcmp(dir->dirs[i - 1]->name, dir->dirs[i]->name) >= 0)
			fail_msg("'%s' before '%s'", dir->dirs[i - 1]->name, dir->dirs[i]->name);
}

static struct tree_dir *
new_root(const char *path)
{
	struct tree_dir *root = tree_new_root(path);

	assert_non_null(root);
	return root;
}

static struct tree_dir *
add_dir(struct tree_dir *dir, const char *name)
{
	struct tree_dir *added = tree_add_dir(dir, name);

	assert_non_null(added);
	return added;
}

static struct tree_file *
add_file(struct tree_dir *dir, const char *name)
{
	struct tree_file *added = tree_add_file(dir, name);

	assert_non_null(added);
	return added;
}

static void
expect_untouched(const struct tree_dir *dir, const struct tree_dir *parent, const char *name)
{
	expect_text(name, dir->name, name);
	expect_equal(name, dir->parent == parent, true);
	expect_equal(name, dir->n_dirs, 0);
	expect_equal(name, dir->n_files, 0);
	expect_equal(name, dir->wd, -1);
	expect_equal(name, dir->flags, 0);
	expect_equal(name, dir->is_unread, false);
	expect_equal(name, dir->next_wd == NULL, true);
}

static void
a_new_tree_is_empty(void **state)
{
	struct tree_dir *root = new_root("/app/src");

	(void)state;
	expect_untouched(root, NULL, "/app/src");
	assert_null(tree_find_dir(root, "a"));
	assert_null(tree_find_file(root, "a"));
	assert_null(tree_find_dir(root, ""));
	assert_null(tree_find_file(root, ""));
	tree_free(root);
}

static void
nothing_can_be_freed(void **state)
{
	(void)state;
	tree_free(NULL);
}

static void
what_is_added_starts_with_nothing_known(void **state)
{
	struct tree_dir *root = new_root("/app/src"), *dir = add_dir(root, "pkg"),
			*below = add_dir(dir, "sub");
	struct tree_file *file = add_file(dir, "a.py");

	(void)state;
	expect_untouched(below, dir, "sub");
	assert_string_equal(file->name, "a.py");
	assert_int_equal(file->flags, 0);
	assert_int_equal(file->contents, 0);
	assert_int_equal(file->state, 0);
	assert_int_equal(root->n_dirs, 1);
	assert_int_equal(root->n_files, 0);
	assert_int_equal(dir->n_dirs, 1);
	assert_int_equal(dir->n_files, 1);
	tree_free(root);
}

static void
what_is_there_is_not_added_again(void **state)
{
	struct tree_dir *root = new_root("/app/src"), *dir = add_dir(root, "pkg");
	struct tree_file *file = add_file(root, "a.py");

	(void)state;
	dir->wd = 7;
	dir->flags = TREE_GONE;
	file->contents = 42;
	file->flags = TREE_KNOWN | TREE_CHANGED;
	add_file(dir, "b.py");
	assert_ptr_equal(add_dir(root, "pkg"), dir);
	assert_ptr_equal(add_file(root, "a.py"), file);
	assert_int_equal(dir->wd, 7);
	assert_int_equal(dir->flags, TREE_GONE);
	assert_int_equal(dir->n_files, 1);
	assert_int_equal(file->contents, 42);
	assert_int_equal(file->flags, TREE_KNOWN | TREE_CHANGED);
	assert_int_equal(root->n_dirs, 1);
	assert_int_equal(root->n_files, 1);
	tree_free(root);
}

static void
a_file_and_a_directory_may_have_the_same_name(void **state)
{
	struct tree_dir *root = new_root("/app/src"), *dir;
	struct tree_file *file;

	(void)state;
	file = add_file(root, "a");
	assert_null(tree_find_dir(root, "a"));
	dir = add_dir(root, "a");
	assert_ptr_equal(tree_find_file(root, "a"), file);
	assert_ptr_equal(tree_find_dir(root, "a"), dir);
	tree_remove_file(root, 0);
	assert_null(tree_find_file(root, "a"));
	assert_ptr_equal(tree_find_dir(root, "a"), dir);
	tree_free(root);
}

/* Forwards, backwards and from the middle out. */
static size_t
permuted(unsigned order, size_t i)
{
	if (order == 0)
		return i;
	if (order == 1)
		return COUNT(names) - 1 - i;
	return i * 8 % COUNT(names); /* 8 and 21 have no common divisor */
}

static void
names_are_found_in_whatever_order_they_came(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 3; order++) {
		struct tree_dir *root = new_root("/app/src"), *dirs[COUNT(names)];
		struct tree_file *files[COUNT(names)];

		for (size_t i = 0; i < COUNT(names); i++) {
			size_t p = permuted(order, i);

			assert_null(tree_find_file(root, names[p]));
			assert_null(tree_find_dir(root, names[p]));
			files[p] = add_file(root, names[p]);
			dirs[p] = add_dir(root, names[p]);
			check_order(root);
		}
		assert_int_equal(root->n_files, COUNT(names));
		assert_int_equal(root->n_dirs, COUNT(names));
		for (size_t i = 0; i < COUNT(names); i++) {
			assert_ptr_equal(tree_find_file(root, names[i]), files[i]);
			assert_ptr_equal(tree_find_dir(root, names[i]), dirs[i]);
			assert_string_equal(files[i]->name, names[i]);
			assert_string_equal(dirs[i]->name, names[i]);
		}
		tree_free(root);
	}
}

static void
a_removed_file_is_found_no_more(void **state)
{
	struct tree_dir *root;

	(void)state;
	for (unsigned gone = 0; gone < COUNT(names); gone++) {
		root = new_root("/app/src");
		for (size_t i = 0; i < COUNT(names); i++)
			add_file(root, names[i])->contents = i;
		tree_remove_file(root, gone);
		assert_int_equal(root->n_files, COUNT(names) - 1);
		check_order(root);
		for (size_t i = 0; i < COUNT(names); i++) {
			struct tree_file *file = tree_find_file(root, names[i]);

			expect_equal(names[i], file != NULL, i != gone);
			if (file)
				expect_equal(names[i], file->contents, i);
		}
		/* Made again, it is a new one. */
		assert_int_equal(add_file(root, names[gone])->contents, 0);
		check_order(root);
		tree_free(root);
	}
}

static void
a_removed_directory_takes_all_below_it_along(void **state)
{
	struct tree_dir *root = new_root("/app/src"), *left, *middle, *right;

	(void)state;
	left = add_dir(root, "a");
	middle = add_dir(root, "b");
	right = add_dir(root, "c");
	for (unsigned i = 0; i < 50; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "%u", i);
		middle = add_dir(middle, name);
		add_file(middle, "x.py");
		add_file(middle, "y.py");
	}
	add_file(right, "z.py");
	tree_remove_dir(root, 1);
	assert_int_equal(root->n_dirs, 2);
	assert_null(tree_find_dir(root, "b"));
	assert_ptr_equal(tree_find_dir(root, "a"), left);
	assert_ptr_equal(tree_find_dir(root, "c"), right);
	assert_non_null(tree_find_file(right, "z.py"));
	tree_remove_dir(root, 1);
	tree_remove_dir(root, 0);
	assert_int_equal(root->n_dirs, 0);
	expect_untouched(add_dir(root, "b"), root, "b");
	tree_free(root);
}

enum {
	NAMES = 300,
	STEPS = 30000,
};

static unsigned
index_of_file(const struct tree_dir *dir, const struct tree_file *file)
{
	unsigned i = 0;

	while (i < dir->n_files && dir->files[i] != file)
		i++;
	assert_true(i < dir->n_files);
	return i;
}

static unsigned
index_of_dir(const struct tree_dir *dir, const struct tree_dir *below)
{
	unsigned i = 0;

	while (i < dir->n_dirs && dir->dirs[i] != below)
		i++;
	assert_true(i < dir->n_dirs);
	return i;
}

/* Add what is not there, remove what is; what was never touched stays the same object. */
static void
a_tree_that_changes_for_a_long_time_knows_what_it_has(void **state)
{
	static struct tree_file *files[NAMES];
	static struct tree_dir *dirs[NAMES];
	struct tree_dir *root = new_root("/app/src");
	unsigned n_files = 0, n_dirs = 0;
	uint64_t random = 7;

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		char name[16];
		unsigned i;

		random = random * 6364136223846793005U + 1442695040888963407U;
		i = (unsigned)(random >> 33) % NAMES;
		(void)snprintf(name, sizeof name, "%x", i * 2654435761U);
		assert_ptr_equal(tree_find_file(root, name), files[i]);
		assert_ptr_equal(tree_find_dir(root, name), dirs[i]);
		if (step % 2) {
			if (files[i])
				tree_remove_file(root, index_of_file(root, files[i]));
			files[i] = files[i] ? NULL : add_file(root, name);
			n_files += files[i] ? 1 : -1U;
		} else {
			if (dirs[i])
				tree_remove_dir(root, index_of_dir(root, dirs[i]));
			dirs[i] = dirs[i] ? NULL : add_dir(root, name);
			n_dirs += dirs[i] ? 1 : -1U;
		}
		assert_int_equal(root->n_files, n_files);
		assert_int_equal(root->n_dirs, n_dirs);
		if (step % 1000 == 0)
			check_order(root);
	}
	check_order(root);
	assert_true(n_files > NAMES / 4 && n_dirs > NAMES / 4);
	tree_free(root);
}

static void
a_path_is_told_whole_or_below_the_root(void **state)
{
	struct tree_dir *root = new_root("/app/src"), *pkg = add_dir(root, "pkg"),
			*sub = add_dir(pkg, "a b");
	const struct {
		const struct tree_dir *dir;
		const char *name;
		bool below;
		const char *expected;
	} rows[] = {
		{ root, NULL, false, "/app/src" },
		{ root, NULL, true, "" },
		{ root, "x.py", false, "/app/src/x.py" },
		{ root, "x.py", true, "x.py" },
		{ pkg, NULL, false, "/app/src/pkg" },
		{ pkg, NULL, true, "pkg" },
		{ pkg, "x.py", false, "/app/src/pkg/x.py" },
		{ pkg, "x.py", true, "pkg/x.py" },
		{ sub, NULL, false, "/app/src/pkg/a b" },
		{ sub, NULL, true, "pkg/a b" },
		{ sub, "x.py", false, "/app/src/pkg/a b/x.py" },
		{ sub, "x.py", true, "pkg/a b/x.py" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char path[256];

		memset(path, 'z', sizeof path);
		expect_equal(rows[i].expected,
		    tree_path(rows[i].dir, rows[i].name, rows[i].below, path, sizeof path),
		    strlen(rows[i].expected));
		expect_text(rows[i].expected, path, rows[i].expected);
	}
	tree_free(root);
}

/* What does not fit is cut, ends in '\0' and tells the length that it would have. */
static void
a_path_that_does_not_fit_is_cut(void **state)
{
	static const char expected[] = "/app/src/pkg/sub/x.py", below[] = "pkg/sub/x.py";
	struct tree_dir *root = new_root("/app/src"), *dir = add_dir(add_dir(root, "pkg"), "sub");

	(void)state;
	for (size_t size = 1; size <= sizeof expected + 1; size++) {
		char *path = malloc(size), row[32];

		assert_non_null(path);
		(void)snprintf(row, sizeof row, "size %zu", size);
		memset(path, 'z', size);
		expect_equal(row, tree_path(dir, "x.py", false, path, size), sizeof expected - 1);
		expect_equal(row, memchr(path, '\0', size) != NULL, true);
		if (size >= sizeof expected)
			expect_text(row, path, expected);
		memset(path, 'z', size);
		expect_equal(row, tree_path(dir, "x.py", true, path, size), sizeof below - 1);
		expect_equal(row, memchr(path, '\0', size) != NULL, true);
		if (size >= sizeof below)
			expect_text(row, path, below);
		free(path);
	}
	tree_free(root);
}

static void
a_deep_path_is_told_too(void **state)
{
	struct tree_dir *root = new_root("/r"), *dir = root;
	char expected[4096] = "", path[4096];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		dir = add_dir(dir, "d");
		(void)strcat(expected, i > 0 ? "/d" : "d");
	}
	assert_int_equal(tree_path(dir, NULL, true, path, sizeof path), strlen(expected));
	assert_string_equal(path, expected);
	assert_int_equal(tree_path(dir, "f", false, path, sizeof path), strlen(expected) + 5);
	assert_int_equal(strncmp(path, "/r/d/d", 6), 0);
	assert_string_equal(path + strlen(path) - 4, "/d/f");
	tree_free(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_tree_is_empty),
		cmocka_unit_test(nothing_can_be_freed),
		cmocka_unit_test(what_is_added_starts_with_nothing_known),
		cmocka_unit_test(what_is_there_is_not_added_again),
		cmocka_unit_test(a_file_and_a_directory_may_have_the_same_name),
		cmocka_unit_test(names_are_found_in_whatever_order_they_came),
		cmocka_unit_test(a_removed_file_is_found_no_more),
		cmocka_unit_test(a_removed_directory_takes_all_below_it_along),
		cmocka_unit_test(a_tree_that_changes_for_a_long_time_knows_what_it_has),
		cmocka_unit_test(a_path_is_told_whole_or_below_the_root),
		cmocka_unit_test(a_path_that_does_not_fit_is_cut),
		cmocka_unit_test(a_deep_path_is_told_too),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
