/* SPDX-License-Identifier: MIT */
/* A server that restarts itself is noticed and slowed down; people who save often are not. */
#include "loop_guard.h"

#include "unit.h"

struct question {
	const char *path;
	bool alone, answered;
	uint64_t age_ms;
	uint64_t expected_ms;
	bool tell;
};

static void
ask(struct loop_guard *guard, const struct question *question, const char *row)
{
	const struct loop_guard_change change = { .path = question->path,
		.alone = question->alone,
		.answered = question->answered,
		.age_ms = question->age_ms };
	bool tell = false;

	expect_equal(row, loop_guard_ask(guard, &change, &tell), question->expected_ms);
	expect_equal(row, tell, question->tell);
}

static void
ask_all(struct loop_guard *guard, const struct question *questions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char row[300];

		(void)snprintf(row, sizeof row, "question %zu, %.250s", i + 1, questions[i].path);
		ask(guard, &questions[i], row);
	}
}

/* So many restarts by one path, none of them the one too many. */
static void
restart(struct loop_guard *guard, const char *path, unsigned n)
{
	const struct question early = { path, true, false, 100, 0, false };

	for (unsigned i = 0; i < n; i++)
		ask(guard, &early, path);
}

/* The fifth restart tells, and from then on there is a hold. */
static void
suspect(struct loop_guard *guard, const char *path)
{
	const struct question fifth = { path, true, false, 100, 0, true };

	restart(guard, path, LOOP_GUARD_RESTARTS - 1);
	ask(guard, &fifth, path);
}

static void
five_early_restarts_by_one_path_make_it_wait_longer_and_longer(void **state)
{
	static const struct question questions[] = {
		{ "out.json", true, false, 100, 9900, false },
		{ "out.json", true, false, 10000, 0, false },
		{ "out.json", true, false, 100, 19900, false },
		{ "out.json", true, false, 20000, 0, false },
		{ "out.json", true, false, 0, 40000, false },
		{ "out.json", true, false, 40000, 0, false },
		{ "out.json", true, false, 1, 59999, false },
		{ "out.json", true, false, 60000, 0, false },
		{ "out.json", true, false, 1, 59999, false },
		{ "out.json", true, false, 60000, 0, false },
		{ "out.json", true, false, 1, 59999, false },
	};
	struct loop_guard guard = { .n = 0 };

	(void)state;
	suspect(&guard, "out.json");
	ask_all(&guard, questions, COUNT(questions));
}

/* Else a file that is written every second would hold itself for ever. */
static void
asking_again_does_not_make_the_hold_longer(void **state)
{
	static const struct question questions[] = {
		{ "out.json", true, false, 100, 9900, false },
		{ "out.json", true, false, 5000, 5000, false },
		{ "out.json", true, false, 9999, 1, false },
		{ "out.json", true, false, 10001, 0, false },
		{ "out.json", true, false, 100, 19900, false },
	};
	struct loop_guard guard = { .n = 0 };

	(void)state;
	suspect(&guard, "out.json");
	ask_all(&guard, questions, COUNT(questions));
}

static void
another_path_starts_the_count_anew(void **state)
{
	struct loop_guard guard = { .n = 0 };

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		restart(&guard, "a.json", 4);
		restart(&guard, "b.json", 4);
		restart(&guard, "a.jso", 4);
		restart(&guard, "dir/a.json", 4);
		guard.streak = 0; /* that is another rule */
	}
	restart(&guard, "a.json", 4);
	restart(&guard, "b.json", 1);
	suspect(&guard, "a.json");
}

static void
a_path_that_was_not_alone_starts_the_count_anew(void **state)
{
	static const struct question together = { "a.json", false, false, 100, 0, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		ask(&guard, &together, "together");
		guard.streak = 0; /* that is another rule */
	}
	for (unsigned round = 0; round < 5; round++) {
		restart(&guard, "a.json", 4);
		ask(&guard, &together, "together");
		guard.streak = 0;
	}
	suspect(&guard, "a.json");
}

static void
a_restart_after_ten_seconds_starts_the_count_anew(void **state)
{
	static const struct question late = { "a.json", true, false, 10000, 0, false };
	static const struct question very_late = { "a.json", true, false, 86400000, 0, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	for (unsigned round = 0; round < 10; round++)
		ask(&guard, &late, "late");
	for (unsigned round = 0; round < 5; round++) {
		restart(&guard, "a.json", 4);
		ask(&guard, round % 2 ? &late : &very_late, "late");
	}
	suspect(&guard, "a.json");
}

static void
just_before_ten_seconds_is_early(void **state)
{
	static const struct question questions[] = {
		{ "a.json", true, false, 9999, 0, false },
		{ "a.json", true, false, 9999, 0, false },
		{ "a.json", true, false, 9999, 0, false },
		{ "a.json", true, false, 9999, 0, false },
		{ "a.json", true, false, 9999, 0, true },
		{ "a.json", true, false, 9999, 1, false },
	};
	struct loop_guard guard = { .n = 0 };

	(void)state;
	ask_all(&guard, questions, COUNT(questions));
}

static void
source_files_count_only_before_the_server_has_answered(void **state)
{
	static const struct {
		const char *path;
		bool answered, counts;
	} rows[] = {
		{ "agent.py", false, true },
		{ "agent.py", true, false },
		{ "pkg/sub/agent.py", true, false },
		{ "agent.json", true, true },
		{ "agent.json", false, true },
		{ "agent.pyi", true, true },
		{ "py", true, true },
		{ "agentpy", true, true },
		{ "agent.py.json", true, true },
		{ "x", true, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct loop_guard guard = { .n = 0 };

		for (unsigned n = 1; n <= 20; n++) {
			const struct question question = { rows[i].path, true, rows[i].answered,
				100, rows[i].counts && n > LOOP_GUARD_RESTARTS ? 9900 : 0,
				rows[i].counts && n == LOOP_GUARD_RESTARTS };
			char row[64];

			(void)snprintf(row, sizeof row, "%s, question %u", rows[i].path, n);
			ask(&guard, &question, row);
		}
	}
}

static void
a_source_file_after_the_answer_starts_the_count_anew(void **state)
{
	static const struct question answered = { "agent.py", true, true, 100, 0, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		restart(&guard, "agent.py", 4);
		ask(&guard, &answered, "answered");
	}
	suspect(&guard, "agent.py");
}

static void
a_suspect_is_held_but_nothing_else_is(void **state)
{
	static const struct question rows[] = {
		{ "other.json", true, false, 100, 0, false },
		{ "other.py", true, true, 100, 0, false },
		{ "agent.py", false, false, 100, 0, false },
		{ "other.json", false, false, 100, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static const struct question held = { "agent.py", true, false, 100, 9900, false };
		struct loop_guard guard = { .n = 0 };
		char row[64];

		(void)snprintf(row, sizeof row, "row %zu", i);
		suspect(&guard, "agent.py");
		ask(&guard, &held, row);
		ask(&guard, &rows[i], row);
	}
}

/* Somebody saved a file six times in a minute, and the same one after lunch. */
static void
a_suspect_that_left_a_server_in_peace_is_none_any_more(void **state)
{
	static const struct question late = { "agent.py", true, false, 3600000, 0, false };
	static const struct question held = { "agent.py", true, false, 100, 9900, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		suspect(&guard, "agent.py");
		ask(&guard, &held, "held");
		ask(&guard, &late, "late");
	}
}

/* The hold of the next one is not what the first one had reached. */
static void
another_suspect_begins_with_the_shortest_hold(void **state)
{
	static const struct question questions[] = {
		{ "a.json", true, false, 100, 9900, false },
		{ "a.json", true, false, 10000, 0, false },
		{ "a.json", true, false, 20000, 0, false },
		{ "a.json", true, false, 100, 39900, false },
	};
	static const struct question held = { "b.json", true, false, 100, 9900, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	suspect(&guard, "a.json");
	ask_all(&guard, questions, COUNT(questions));
	suspect(&guard, "b.json");
	ask(&guard, &held, "b.json");
}

/* Below PATH_MAX, and longer than what the guard keeps. */
static void
a_long_path_is_noticed_too(void **state)
{
	static const size_t lengths[] = { 254, 255, 256, 257, 511, 4000 };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct loop_guard guard = { .n = 0 };
		struct question held = { NULL, true, false, 100, 9900, false };
		char *path = malloc(lengths[i] + 1);

		assert_non_null(path);
		memset(path, 'x', lengths[i]);
		path[lengths[i]] = '\0';
		held.path = path;
		suspect(&guard, path);
		ask(&guard, &held, "long");
		free(path);
	}
}

/* A .py that is cut must not become something else. */
static void
a_long_source_file_is_still_one(void **state)
{
	struct loop_guard guard = { .n = 0 };
	char path[300];

	(void)state;
	memset(path, 'x', sizeof path);
	(void)strcpy(path + sizeof path - 4, ".py");
	for (unsigned n = 0; n < 20; n++) {
		const struct question question = { path, true, true, 100, 0, false };

		ask(&guard, &question, "answered");
	}
	suspect(&guard, path);
}

/* By files of other names each time, as mktemp(1) makes them. */
static void
streak(struct loop_guard *guard, unsigned n, uint64_t age_ms)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		struct question question = { name, false, false, age_ms, 0, false };

		(void)snprintf(name, sizeof name, "%u.py", i);
		question.tell = i + 1 == LOOP_GUARD_STREAK;
		ask(guard, &question, name);
	}
}

static void
twenty_quick_restarts_by_whatever_paths_slow_it_down(void **state)
{
	static const struct question questions[] = {
		{ "x.json", false, false, 100, 900, false },
		{ "y.json", true, false, 999, 1, false },
		{ "y.json", true, false, 1000, 0, false },
		{ "z.json", true, false, 0, 2000, false },
		{ "z.json", true, false, 2000, 0, false },
		{ "z.json", false, false, 4000, 0, false },
		{ "z.json", false, false, 1, 7999, false },
		{ "z.json", false, false, 8999, 0, false },
		{ "z.json", false, false, 7999, 1, false },
		{ "z.json", false, false, 9000, 0, false },
		{ "z.json", false, false, 1, 0, false },
	};
	struct loop_guard guard = { .n = 0 };

	(void)state;
	streak(&guard, LOOP_GUARD_STREAK, 100);
	ask_all(&guard, questions, COUNT(questions));
}

static void
a_source_that_is_saved_after_an_answer_ends_a_streak(void **state)
{
	static const struct question saved = { "app.py", true, true, 100, 0, false };
	static const struct question written = { "x.json", false, false, 100, 0, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	streak(&guard, LOOP_GUARD_STREAK, 100);
	ask(&guard, &saved, "saved");
	ask(&guard, &written, "written");
}

static void
restarts_that_are_not_quick_are_no_streak(void **state)
{
	static const struct question slow = { "x.json", false, false, 2000, 0, false };
	struct loop_guard guard = { .n = 0 };

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		streak(&guard, LOOP_GUARD_STREAK - 1, 1999);
		ask(&guard, &slow, "slow");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_early_restarts_by_one_path_make_it_wait_longer_and_longer),
		cmocka_unit_test(asking_again_does_not_make_the_hold_longer),
		cmocka_unit_test(another_path_starts_the_count_anew),
		cmocka_unit_test(a_path_that_was_not_alone_starts_the_count_anew),
		cmocka_unit_test(a_restart_after_ten_seconds_starts_the_count_anew),
		cmocka_unit_test(just_before_ten_seconds_is_early),
		cmocka_unit_test(source_files_count_only_before_the_server_has_answered),
		cmocka_unit_test(a_source_file_after_the_answer_starts_the_count_anew),
		cmocka_unit_test(a_suspect_is_held_but_nothing_else_is),
		cmocka_unit_test(a_suspect_that_left_a_server_in_peace_is_none_any_more),
		cmocka_unit_test(another_suspect_begins_with_the_shortest_hold),
		cmocka_unit_test(a_long_path_is_noticed_too),
		cmocka_unit_test(a_long_source_file_is_still_one),
		cmocka_unit_test(twenty_quick_restarts_by_whatever_paths_slow_it_down),
		cmocka_unit_test(a_source_that_is_saved_after_an_answer_ends_a_streak),
		cmocka_unit_test(restarts_that_are_not_quick_are_no_streak),
	};

	return cmocka_run_group_tests_name("loop_guard", tests, NULL, NULL);
}
