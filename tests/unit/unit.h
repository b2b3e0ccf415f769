/* SPDX-License-Identifier: MIT */
/* What cmocka lacks: assertions that name the row of a table, and a folder for a test's files. */
#ifndef INITD_TEST_UNIT_H
#define INITD_TEST_UNIT_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its header needs some of those above. */
#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Macros, so that a failure tells the line of its table. */
#define expect_equal(row, actual, expected)                                                        \
	do {                                                                                       \
		if ((actual) != (expected))                                                        \
			fail_msg("%s: %s is %lld, expected %lld", row, #actual,                    \
			    (long long)(actual), (long long)(expected));                           \
	} while (0)

#define expect_text(row, actual, expected)                                                         \
	do {                                                                                       \
		if (!same_text(actual, expected))                                                  \
			fail_msg("%s: %s is '%s', expected '%s'", row, #actual, shown(actual),     \
			    shown(expected));                                                      \
	} while (0)

static inline bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline const char *
shown(const char *text)
{
	return text ? text : "(null)";
}

/* Setup: a new folder becomes the working directory, so that messages show short paths. */
static inline int
enter_folder(void **state)
{
	char *path;

	if (asprintf(&path, "%s/initd-unit-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp") <
	    0)
		return -1;
	*state = path;
	return mkdtemp(path) ? chdir(path) : -1;
}

static inline int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int
remove_tree(const char *path)
{
	return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Teardown. */
static inline int
leave_folder(void **state)
{
	int status = chdir("/") < 0 ? -1 : remove_tree(*state);

	free(*state);
	return status;
}

/* The number that the next descriptor will have: the same before and after what leaves none open. */
static inline int
next_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	assert_int_equal(close(fd), 0);
	return fd;
}

static inline void
write_bytes(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static inline void
write_file(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

#endif
