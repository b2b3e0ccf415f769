/* SPDX-License-Identifier: MIT */
/* Two files are the same if their bytes are, whatever else differs; unread ones, if stat(2) says so. */
#include "fingerprint.h"

#include "unit.h"

#include <fcntl.h>

enum {
	READ_MAX = 8 * 1024 * 1024, /* as the header says */
};

static struct stat
look(int dir_fd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static uint64_t
contents(const char *name)
{
	const struct stat st = look(AT_FDCWD, name);

	return fingerprint_contents(AT_FDCWD, name, &st);
}

static void
set_mtime(const char *name, time_t seconds)
{
	const struct timespec times[] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* ---- the state ---- */

static void
each_sign_of_a_change_changes_the_state(void **state)
{
	const struct stat st = { .st_dev = 3,
		.st_ino = 1000,
		.st_mode = S_IFREG | 0644,
		.st_size = 500,
		.st_mtim = { 1700000000, 123 },
		.st_ctim = { 1700000001, 456 } };
	struct stat changed[] = { st, st, st, st, st, st, st, st, st, st, st };
	static const char *const rows[COUNT(changed)] = { "ino + 1", "size + 1", "size - 1",
		"size, above 32 bits", "mtime, s", "mtime, ns", "mtime is older", "ctime, s",
		"ctime, ns", "ino, above 32 bits", "it is a link now" };

	(void)state;
	changed[0].st_ino++;
	changed[1].st_size++;
	changed[2].st_size--;
	changed[3].st_size |= (off_t)1 << 32;
	changed[4].st_mtim.tv_sec++;
	changed[5].st_mtim.tv_nsec++;
	changed[6].st_mtim.tv_sec -= 86400;
	changed[7].st_ctim.tv_sec++;
	changed[8].st_ctim.tv_nsec++;
	changed[9].st_ino |= (ino_t)1 << 32;
	changed[10].st_mode = S_IFLNK | 0777;
	for (size_t i = 0; i < COUNT(changed); i++) {
		expect_equal(
		    rows[i], fingerprint_state(&changed[i]) == fingerprint_state(&st), false);
		for (size_t other = 0; other < i; other++)
			expect_equal(rows[i],
			    fingerprint_state(&changed[i]) == fingerprint_state(&changed[other]),
			    false);
	}
}

static void
to_be_read_does_not_change_the_state(void **state)
{
	struct stat st, read;

	(void)state;
	memset(&st, 0, sizeof st);
	st.st_ino = 1000;
	st.st_size = 500;
	memset(&read, 0xff, sizeof read); /* not what is between the fields either */
	read.st_dev = st.st_dev;
	read.st_ino = st.st_ino;
	read.st_mode = st.st_mode;
	read.st_nlink = st.st_nlink;
	read.st_uid = st.st_uid;
	read.st_gid = st.st_gid;
	read.st_rdev = st.st_rdev;
	read.st_size = st.st_size;
	read.st_blksize = st.st_blksize;
	read.st_blocks = st.st_blocks;
	read.st_mtim = st.st_mtim;
	read.st_ctim = st.st_ctim;
	read.st_atim = (struct timespec){ 1700000000, 1 };
	assert_int_equal(fingerprint_state(&st), fingerprint_state(&read));
}

static int
compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Small numbers in every field, as new files of one directory have them, and all at zero. */
static void
states_do_not_meet_and_are_never_zero(void **state)
{
	enum {
		EACH = 9,
		ALL = EACH * EACH * EACH * EACH * EACH
	};
	static uint64_t found[ALL];
	struct stat st;

	(void)state;
	memset(&st, 0, sizeof st);
	for (size_t i = 0; i < ALL; i++) {
		st.st_ino = i % EACH;
		st.st_size = (off_t)(i / EACH % EACH);
		st.st_mtim.tv_sec = (time_t)(i / EACH / EACH % EACH);
		st.st_mtim.tv_nsec = (long)(i / EACH / EACH / EACH % EACH);
		st.st_ctim.tv_nsec = (long)(i / EACH / EACH / EACH / EACH);
		found[i] = fingerprint_state(&st);
		assert_true(found[i] != 0);
	}
	qsort(found, ALL, sizeof found[0], compare_numbers);
	for (size_t i = 1; i < ALL; i++)
		assert_true(found[i - 1] != found[i]);
}

/* ---- the contents ---- */

static void
the_same_bytes_are_the_same_file(void **state)
{
	static const char *const texts[] = { "", "x", "print('hello')\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		uint64_t first;

		write_file("one", texts[i]);
		write_file("other", texts[i]);
		set_mtime("other", 1000000000);
		assert_int_equal(chmod("other", 0600), 0);
		first = contents("one");
		expect_equal(texts[i], contents("other") == first, true);
		write_file("one", texts[i]);
		expect_equal(texts[i], contents("one") == first, true);
		assert_int_equal(rename("other", "one"), 0);
		expect_equal(texts[i], contents("one") == first, true);
	}
}

static void
other_bytes_are_another_file(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} rows[] = {
		{ "", 0 },
		{ "\0", 1 },
		{ "\0\0", 2 },
		{ "\0\0\0\0\0\0\0\0", 8 },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
		{ "\x01", 1 },
		{ "\xff", 1 },
		{ "a", 1 },
		{ "a\0", 2 },
		{ "\0a", 2 },
		{ "a\n", 2 },
		{ "V = 1\n", 6 },
		{ "V = 2\n", 6 },
		{ "abcdefghABCDEFGH", 16 },
		{ "ABCDEFGHabcdefgh", 16 },
		{ "abcdefghabcdefgh", 16 },
		{ "abcdefgh", 8 },
		{ "hgfedcba", 8 },
	};
	uint64_t found[COUNT(rows)];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_bytes("file", rows[i].bytes, rows[i].length);
		found[i] = contents("file");
		for (size_t other = 0; other < i; other++)
			if (found[i] == found[other])
				fail_msg("rows %zu and %zu are the same", other, i);
	}
}

/* One byte more or another one, wherever it is: at the edges of blocks, too. */
static void
each_byte_counts(void **state)
{
	static const size_t sizes[] = { 1, 7, 8, 9, 31, 32, 33, 511, 512, 513, 4095, 4096, 4097,
		8192, 65535, 65536, 65537, 131072, 200000 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		size_t size = sizes[i];
		const size_t places[] = { 0, size / 3, size / 2, size > 9 ? size - 9 : 0,
			size > 2 ? size - 2 : 0, size - 1 };
		char *bytes = calloc(1, size + 1), row[32];
		uint64_t first;

		assert_non_null(bytes);
		(void)snprintf(row, sizeof row, "%zu bytes", size);
		write_bytes("file", bytes, size);
		first = contents("file");
		write_bytes("file", bytes, size + 1);
		expect_equal(row, contents("file") == first, false);
		write_bytes("file", bytes, size - 1);
		expect_equal(row, contents("file") == first, false);
		for (size_t p = 0; p < COUNT(places); p++) {
			bytes[places[p]] = 1;
			write_bytes("file", bytes, size);
			expect_equal(row, contents("file") == first, false);
			bytes[places[p]] = 0;
		}
		write_bytes("file", bytes, size);
		expect_equal(row, contents("file") == first, true);
		free(bytes);
	}
}

/* Two blocks that change places, of whatever size they may be read in. */
static void
the_order_of_blocks_counts(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 1024 * 1024; size *= 2) {
		char *bytes = malloc(2 * size), row[32];
		uint64_t first;

		assert_non_null(bytes);
		(void)snprintf(row, sizeof row, "%zu bytes", size);
		memset(bytes, 'a', size);
		memset(bytes + size, 'b', size);
		write_bytes("file", bytes, 2 * size);
		first = contents("file");
		memset(bytes, 'b', size);
		memset(bytes + size, 'a', size);
		write_bytes("file", bytes, 2 * size);
		expect_equal(row, contents("file") == first, false);
		free(bytes);
	}
}

static void
put_byte(const char *name, char byte, off_t at)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	assert_int_equal(close(fd), 0);
}

/* The stat that is given stays the same: only the bytes can tell. */
static void
up_to_eight_mebibytes_are_read(void **state)
{
	static const struct {
		off_t size;
		bool is_read;
	} rows[] = {
		{ READ_MAX - 1, true }, { READ_MAX, true }, { READ_MAX + 1, false },
		{ (off_t)1 << 40, false }, /* soon: it is sparse */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct stat st, later;
		uint64_t first;
		char row[32];

		(void)snprintf(row, sizeof row, "%lld bytes", (long long)rows[i].size);
		(void)unlink("large");
		put_byte("large", 'x', 0);
		assert_int_equal(truncate("large", rows[i].size), 0);
		st = look(AT_FDCWD, "large");
		first = fingerprint_contents(AT_FDCWD, "large", &st);
		put_byte("large", 'y', rows[i].size - 1);
		expect_equal(
		    row, fingerprint_contents(AT_FDCWD, "large", &st) == first, !rows[i].is_read);
		put_byte("large", '\0', rows[i].size - 1);
		expect_equal(row, fingerprint_contents(AT_FDCWD, "large", &st) == first, true);
		later = st;
		later.st_mtim.tv_sec++;
		expect_equal(
		    row, fingerprint_contents(AT_FDCWD, "large", &later) == first, rows[i].is_read);
		assert_int_equal(unlink("large"), 0);
	}
}

static void
what_cannot_be_read_is_known_by_its_state(void **state)
{
	static const char *const names[] = { "missing", "missing/file", "file/file", "link",
		"folder" };

	(void)state;
	write_file("file", "x");
	assert_int_equal(symlink("file", "link"), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct stat st = look(AT_FDCWD, "file"); /* what it was a moment ago */
		uint64_t first = fingerprint_contents(AT_FDCWD, names[i], &st);

		expect_equal(names[i], first == contents("file"), false);
		expect_equal(
		    names[i], fingerprint_contents(AT_FDCWD, names[i], &st) == first, true);
		st.st_mtim.tv_sec++;
		expect_equal(
		    names[i], fingerprint_contents(AT_FDCWD, names[i], &st) == first, false);
		st.st_mtim.tv_sec--;
		st.st_size++;
		expect_equal(
		    names[i], fingerprint_contents(AT_FDCWD, names[i], &st) == first, false);
	}
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(rmdir("folder"), 0);
}

/* A watcher that waits for somebody to write into it would wait for ever. */
static void
a_fifo_in_the_place_of_a_file_is_not_waited_for(void **state)
{
	struct stat st;

	(void)state;
	write_file("file", "x");
	st = look(AT_FDCWD, "file");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	(void)alarm(10); /* its signal is the end of this test program */
	(void)fingerprint_contents(AT_FDCWD, "fifo", &st);
	(void)contents("fifo");
	(void)alarm(0);
	assert_int_equal(unlink("fifo"), 0);
}

static void
a_link_is_where_it_points(void **state)
{
	uint64_t first;

	(void)state;
	write_file("one", "1");
	write_file("two", "2");
	assert_int_equal(symlink("one", "link"), 0);
	first = contents("link");
	write_file("one", "something else");
	assert_int_equal(contents("link"), first);
	set_mtime("link", 1000000000);
	assert_int_equal(contents("link"), first);
	assert_int_equal(unlink("one"), 0);
	assert_int_equal(contents("link"), first);
	assert_int_equal(symlink("one", "again"), 0);
	assert_int_equal(contents("again"), first);
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(symlink("two", "link"), 0);
	assert_true(contents("link") != first);
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(symlink("on", "link"), 0);
	assert_true(contents("link") != first);
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(unlink("again"), 0);
}

static void
a_link_may_be_long_and_its_last_letter_counts(void **state)
{
	static const size_t lengths[] = { 255, 256, 1023, 1024, 4095 };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		char target[4096];
		uint64_t first;

		memset(target, 'x', lengths[i]);
		target[lengths[i]] = '\0';
		assert_int_equal(symlink(target, "link"), 0);
		first = contents("link");
		assert_int_equal(contents("link"), first);
		assert_int_equal(unlink("link"), 0);
		target[lengths[i] - 1] = 'y';
		assert_int_equal(symlink(target, "link"), 0);
		assert_true(contents("link") != first);
		assert_int_equal(unlink("link"), 0);
	}
}

static void
a_name_is_looked_for_in_the_directory_that_is_given(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	write_file("a.py", "outside");
	assert_int_equal(mkdir("pkg", 0700), 0);
	write_file("pkg/a.py", "inside");
	write_file("same", "inside");
	fd = open("pkg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	st = look(fd, "a.py");
	assert_true(fingerprint_contents(fd, "a.py", &st) == contents("same"));
	assert_true(fingerprint_contents(fd, "a.py", &st) != contents("a.py"));
	assert_int_equal(symlinkat("x", fd, "link"), 0);
	assert_int_equal(symlink("x", "link"), 0);
	st = look(fd, "link");
	assert_true(fingerprint_contents(fd, "link", &st) == contents("link"));
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(close(fd), 0);
}

/* As long as a container lives. */
static void
no_descriptor_stays_open(void **state)
{
	struct stat st;
	int before, after;

	(void)state;
	write_file("file", "x");
	st = look(AT_FDCWD, "file");
	before = next_descriptor();
	(void)fingerprint_contents(AT_FDCWD, "file", &st);
	(void)fingerprint_contents(AT_FDCWD, ".", &st);
	(void)fingerprint_contents(AT_FDCWD, "missing", &st);
	after = next_descriptor();
	assert_int_equal(after, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sign_of_a_change_changes_the_state),
		cmocka_unit_test(to_be_read_does_not_change_the_state),
		cmocka_unit_test(states_do_not_meet_and_are_never_zero),
		cmocka_unit_test(the_same_bytes_are_the_same_file),
		cmocka_unit_test(other_bytes_are_another_file),
		cmocka_unit_test(each_byte_counts),
		cmocka_unit_test(the_order_of_blocks_counts),
		cmocka_unit_test(up_to_eight_mebibytes_are_read),
		cmocka_unit_test(what_cannot_be_read_is_known_by_its_state),
		cmocka_unit_test(a_fifo_in_the_place_of_a_file_is_not_waited_for),
		cmocka_unit_test(a_link_is_where_it_points),
		cmocka_unit_test(a_link_may_be_long_and_its_last_letter_counts),
		cmocka_unit_test(a_name_is_looked_for_in_the_directory_that_is_given),
		cmocka_unit_test(no_descriptor_stays_open),
	};

	return cmocka_run_group_tests_name("fingerprint", tests, enter_folder, leave_folder);
}
