/* SPDX-License-Identifier: MIT */
/* user.name to ids, by files of our own. */
#include "privs.h"

#include "unit.h"

static const char usual_passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
				   "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
				   "app:x:999:998::/home/app:/bin/sh\n"
				   "app2:x:1999:1998::/home/app2:/bin/sh\n"
				   "again:x:999:5::/home/again:/bin/sh\n"
				   "app:x:7:7::/home/second:/bin/sh\n"
				   "top:x:2147483647:2147483647::/:\n";

static const char usual_group[] = "root:x:0:\n"
				  "app:x:998:\n"
				  "audio:x:29:other,app\n"
				  "video:x:44:app\n"
				  "render:x:105:app,other\n"
				  "disk:x:6:app2,2app,ap,appapp\n"
				  "video2:x:44:app\n"
				  "own:x:998:app\n"
				  "www:x:33:daemon,app2\n"
				  "app:x:31:\n";

/* What came of it: "UID:GID [GROUPS] NAME HOME", or the message. */
struct outcome {
	char text[512];
};

static void
describe(const struct privs *privs, struct outcome *outcome)
{
	FILE *text = fmemopen(outcome->text, sizeof outcome->text, "w");

	assert_non_null(text);
	(void)fprintf(text, "%u:%u [", privs->uid, privs->gid);
	for (size_t i = 0; i < privs->n_groups; i++)
		(void)fprintf(text, "%s%u", i > 0 ? "," : "", privs->groups[i]);
	(void)fprintf(text, "] %s %s", privs->name, privs->home);
	assert_int_equal(fclose(text), 0);
}

/* Resolve by the files "passwd" and "group". */
static const char *
resolve(const char *user, struct outcome *outcome)
{
	const struct privs_spec spec = {
		.user = user, .passwd_path = "passwd", .group_path = "group"
	};
	struct privs privs;
	struct error err;

	if (privs_resolve(&privs, &spec, &err) == 0)
		describe(&privs, outcome);
	else
		(void)snprintf(outcome->text, sizeof outcome->text, "%s", err.msg);
	return outcome->text;
}

static void
a_user_is_a_name_or_a_number_with_or_without_a_group(void **state)
{
	static const struct {
		const char *user, *expected;
	} rows[] = {
		{ "app", "999:998 [998,29,44,105] app /home/app" },
		{ "daemon", "1:1 [1,33] daemon /usr/sbin" },
		{ "root", "0:0 [0] root /root" },
		{ "top", "2147483647:2147483647 [2147483647] top /" },
		{ "app:video", "999:44 [44] app /home/app" },
		{ "app:app", "999:998 [998] app /home/app" },
		{ "app:5", "999:5 [5] app /home/app" },
		{ "app:0", "999:0 [0] app /home/app" },
		{ "999", "999:998 [998,29,44,105] app /home/app" },
		{ "0999", "999:998 [998,29,44,105] app /home/app" },
		{ "0", "0:0 [0] root /root" },
		{ "999:29", "999:29 [29] app /home/app" },
		{ "999:audio", "999:29 [29] app /home/app" },
		{ "1000", "1000:1000 [1000] 1000 " },
		{ "1000:1001", "1000:1001 [1001] 1000 " },
		{ "1000:app", "1000:998 [998] 1000 " },
		{ "2147483646", "2147483646:2147483646 [2147483646] 2147483646 " },
		{ "2147483647", "2147483647:2147483647 [2147483647] top /" },
		{ "1000:2147483647", "1000:2147483647 [2147483647] 1000 " },
	};
	struct outcome outcome;

	(void)state;
	write_file("passwd", usual_passwd);
	write_file("group", usual_group);
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(rows[i].user, resolve(rows[i].user, &outcome), rows[i].expected);
}

#define NO_USER(name)                                                                              \
	"no user '" name "' in passwd: add it (useradd -r), or set user.name (a number needs no "  \
	"entry)"
#define NO_NUMBER(text) "'" text "' is not a number from 0 to 2147483647"
#define NO_FORM(text)   "'" text "': expected NAME, UID, NAME:GROUP or UID:GID"

static void
what_is_no_user_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *user, *expected;
	} rows[] = {
		{ "nobody", NO_USER("nobody") },
		{ "APP", NO_USER("APP") },
		{ "ap", NO_USER("ap") },
		{ "app3", NO_USER("app3") },
		{ "nobody:app", NO_USER("nobody") },
		{ "x", NO_USER("x") },
		{ "app ", NO_USER("app ") },
		{ "app:nosuch", "no group 'nosuch' in group" },
		{ "1000:nosuch", "no group 'nosuch' in group" },
		{ "app:app:app", "no group 'app:app' in group" },
		{ "app:x", "no group 'x' in group" },
		{ "-1", "user " NO_NUMBER("-1") },
		{ "+1", "user " NO_NUMBER("+1") },
		{ " 1", "user " NO_NUMBER(" 1") },
		{ "1 ", "user " NO_NUMBER("1 ") },
		{ "1000abc", "user " NO_NUMBER("1000abc") },
		{ "0x3e8", "user " NO_NUMBER("0x3e8") },
		{ "1e3", "user " NO_NUMBER("1e3") },
		{ "2147483648", "user " NO_NUMBER("2147483648") },
		{ "4294967295", "user " NO_NUMBER("4294967295") },
		{ "4294967296", "user " NO_NUMBER("4294967296") },
		{ "18446744073709551616", "user " NO_NUMBER("18446744073709551616") },
		{ "app:-1", "group " NO_NUMBER("-1") },
		{ "app:+5", "group " NO_NUMBER("+5") },
		{ "app:5abc", "group " NO_NUMBER("5abc") },
		{ "app:2147483648", "group " NO_NUMBER("2147483648") },
		{ "1000:4294967295", "group " NO_NUMBER("4294967295") },
		{ "1000:4294967296", "group " NO_NUMBER("4294967296") },
		{ "", NO_FORM("") },
		{ ":", NO_FORM(":") },
		{ ":app", NO_FORM(":app") },
		{ "app:", NO_FORM("app:") },
		{ "1000:", NO_FORM("1000:") },
	};
	struct outcome outcome;

	(void)state;
	write_file("passwd", usual_passwd);
	write_file("group", usual_group);
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(rows[i].user, resolve(rows[i].user, &outcome), rows[i].expected);
}

static void
a_malformed_line_is_passed_over(void **state)
{
	static const struct {
		const char *passwd, *group, *user, *expected;
	} rows[] = {
		{ "", "", "app", NO_USER("app") },
		{ "", "", "5", "5:5 [5] 5 " },
		{ "app:x:999:998::/h:/bin/sh", "audio:x:29:app", "app", "999:998 [998,29] app /h" },
		{ "\n\n#app:x:1:1::/:\napp:x:2:2::/:\n", "\n", "app", "2:2 [2] app /" },
		{ "app\napp:\napp:x\napp:x:1\napp:x:1:\napp:x:3:3\n", "", "app", "3:3 [3] app " },
		{ "app:x:abc:1::/:\napp:x:1:abc::/:\napp:x:-1:1::/:\napp:x: 1:1::/:\n", "", "app",
		    NO_USER("app") },
		{ "app:x:4294967296:0::/:\napp:x:0:4294967296::/:\n", "", "app", NO_USER("app") },
		{ "app:x:2147483648:1::/:\napp:x:1:4294967295::/:\n", "", "app", NO_USER("app") },
		{ "app:x::1::/:\n", "", "0", "0:0 [0] 0 " },
		{ "app:x:9:abc::/:\n", "", "9", "9:9 [9] 9 " },
		{ "app:x:1:1\r\n", "", "app", NO_USER("app") },
		{ "+::::::\napp:x:1:1:a b,c:/h o:/x:y:z\n", "", "app", "1:1 [1] app /h o" },
		{ "app:x:1:1::/:\n", "a:x:2\nb:x:app\nc::3:app\nd:x:-4:app\n:x:5:app\n", "app",
		    "1:1 [1,3,5] app /" },
		{ "app:x:1:1::/:\n", "a:x:2:,app\nb:x:3:app,\nc:x:4:,\nd:x:5: app\n", "app",
		    "1:1 [1,2,3] app /" },
		{ "app:x:1:1::/:\n", "g:x:abc:\ng:x:\ng:x:8:\n", "app:g", "1:8 [8] app /" },
		{ "app:x:1:1::/:\n", "g:x:4294967296:\n", "app:g", "no group 'g' in group" },
		{ "app:x:1:1::/:\n", "g", "app:g", "no group 'g' in group" },
		{ "app:x:1:1::/:\n", "g:x:7", "app:g", "1:7 [7] app /" },
	};
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_file("passwd", rows[i].passwd);
		write_file("group", rows[i].group);
		expect_text(rows[i].passwd, resolve(rows[i].user, &outcome), rows[i].expected);
	}
}

static void
a_missing_file_is_an_empty_one(void **state)
{
	static const struct {
		const char *user, *expected;
	} rows[] = {
		{ "app", NO_USER("app") },
		{ "1000", "1000:1000 [1000] 1000 " },
		{ "0", "0:0 [0] 0 " },
		{ "1000:5", "1000:5 [5] 1000 " },
		{ "1000:app", "no group 'app' in group" },
	};
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		(void)remove("passwd"); /* a test before this one may have made them */
		(void)remove("group");
		expect_text(rows[i].user, resolve(rows[i].user, &outcome), rows[i].expected);
	}
}

static void
what_is_no_regular_file_is_an_error(void **state)
{
	static const struct {
		const char *passwd_path, *group_path, *expected;
	} rows[] = {
		{ "fifo", "group", "fifo: expected a regular file of at most 16 MB" },
		{ "passwd", "fifo", "fifo: expected a regular file of at most 16 MB" },
		{ ".", "group", ".: Is a directory" },
		{ "passwd", "/dev/zero", "/dev/zero: expected a regular file of at most 16 MB" },
		{ "huge", "group", "huge: expected a regular file of at most 16 MB" },
		{ "loop", "group", "loop: Too many levels of symbolic links" },
	};

	(void)state;
	write_file("passwd", usual_passwd);
	write_file("group", usual_group);
	write_file("huge", "");
	assert_int_equal(truncate("huge", (16 << 20) + 1), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	(void)alarm(10); /* waiting for a writer would never fail */
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct privs_spec spec = { .user = "app",
			.passwd_path = rows[i].passwd_path,
			.group_path = rows[i].group_path };
		struct privs privs;
		struct error err;

		expect_equal(rows[i].expected, privs_resolve(&privs, &spec, &err), -1);
		expect_text(rows[i].expected, err.msg, rows[i].expected);
	}
	(void)alarm(0);
}

static void
a_line_may_be_long(void **state)
{
	enum {
		LENGTH = 1 << 20
	};
	char *line = malloc(LENGTH + 64);
	struct outcome outcome;
	FILE *file;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', LENGTH);
	(void)strcpy(line + LENGTH, "app:x:5:5::/:\napp:x:1:2:");
	file = fopen("passwd", "w");
	assert_non_null(file);
	assert_true(fprintf(file, "%s%.*s:/home/app:/bin/sh\n", line, LENGTH, line) > 0);
	assert_int_equal(fclose(file), 0);
	file = fopen("group", "w");
	assert_non_null(file);
	assert_true(
	    fprintf(file, "a:x:3:%.*s,app\nb:x:4:%.*sapp\n", LENGTH, line, LENGTH, line) > 0);
	assert_int_equal(fclose(file), 0);
	free(line);
	assert_string_equal(resolve("app", &outcome), "1:2 [2,3] app /home/app");
}

static void
a_user_is_in_at_most_256_groups(void **state)
{
	static const struct {
		unsigned n_listed;
		const char *expected;
	} rows[] = {
		{ PRIVS_GROUPS_MAX - 1, "" },
		{ PRIVS_GROUPS_MAX, "user 'app' is in more than 256 groups" },
	};
	const struct privs_spec spec = {
		.user = "app", .passwd_path = "passwd", .group_path = "group"
	};

	(void)state;
	write_file("passwd", "app:x:1:1000::/:\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		FILE *file = fopen("group", "w");
		struct privs privs;
		struct error err = { .msg = "" };

		assert_non_null(file);
		for (unsigned gid = 1; gid <= rows[i].n_listed; gid++)
			assert_true(fprintf(file, "g%u:x:%u:app\n", gid, gid) > 0);
		assert_int_equal(fclose(file), 0);
		expect_equal(
		    "groups", privs_resolve(&privs, &spec, &err), *rows[i].expected ? -1 : 0);
		expect_text("groups", err.msg, rows[i].expected);
	}
	assert_int_equal(rows[0].n_listed + 1, PRIVS_GROUPS_MAX);
}

/* A name that struct privs cannot hold is not that of somebody whose name is its beginning. */
static void
a_name_is_not_cut(void **state)
{
#define NAME_OF_63 "a23456789_123456789_123456789_123456789_123456789_123456789_123"
	static const struct {
		const char *user, *expected;
	} rows[] = {
		{ NAME_OF_63, "5:6 [6,7] " NAME_OF_63 " /" },
		{ NAME_OF_63 "4", NO_USER(NAME_OF_63 "4") },
	};
	struct outcome outcome;

	(void)state;
	write_file("passwd", NAME_OF_63 ":x:5:6::/:\n");
	write_file("group", "g:x:7:" NAME_OF_63 "\nh:x:8:" NAME_OF_63 "4\n");
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_text(rows[i].user, resolve(rows[i].user, &outcome), rows[i].expected);
}

static void
who_we_are_is_found_by_number(void **state)
{
	static const struct {
		const char *before, *after; /* our uid in passwd */
		const char *name, *home;    /* NULL: the number */
	} rows[] = {
		{ "me:x:", ":123456::/home/me:/bin/sh\n", "me", "/home/me" },
		{ "a:x:4294967295:1::/:\nb:x:", ":1::/b:", "b", "/b" },
		{ "other:x:1", ":5::/other:\n", NULL, "" },
		{ "other:x:", "1:5::/other:\n", NULL, "" },
	};
	char number[16], passwd[128];

	(void)state;
	(void)snprintf(number, sizeof number, "%u", geteuid());
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct privs privs;

		(void)snprintf(
		    passwd, sizeof passwd, "%s%s%s", rows[i].before, number, rows[i].after);
		write_file("passwd", passwd);
		privs_current(&privs, "passwd");
		expect_equal(passwd, privs.uid, geteuid());
		expect_equal(passwd, privs.gid, getegid());
		expect_text(passwd, privs.name, rows[i].name ? rows[i].name : number);
		expect_text(passwd, privs.home, rows[i].home);
	}
}

static void
who_we_are_needs_no_file(void **state)
{
	static const char *const paths[] = { "missing", ".", "/dev/null", "passwd/x" };
	char number[16];

	(void)state;
	(void)snprintf(number, sizeof number, "%u", geteuid());
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct privs privs;

		privs_current(&privs, paths[i]);
		expect_equal(paths[i], privs.uid, geteuid());
		expect_equal(paths[i], privs.gid, getegid());
		expect_text(paths[i], privs.name, number);
		expect_text(paths[i], privs.home, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_a_name_or_a_number_with_or_without_a_group),
		cmocka_unit_test(what_is_no_user_is_refused_with_a_reason),
		cmocka_unit_test(a_malformed_line_is_passed_over),
		cmocka_unit_test(a_missing_file_is_an_empty_one),
		cmocka_unit_test(what_is_no_regular_file_is_an_error),
		cmocka_unit_test(a_line_may_be_long),
		cmocka_unit_test(a_user_is_in_at_most_256_groups),
		cmocka_unit_test(a_name_is_not_cut),
		cmocka_unit_test(who_we_are_is_found_by_number),
		cmocka_unit_test(who_we_are_needs_no_file),
	};

	return cmocka_run_group_tests_name("privs", tests, enter_folder, leave_folder);
}
