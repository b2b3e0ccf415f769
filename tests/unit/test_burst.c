/* SPDX-License-Identifier: MIT */
/* Bursts of changes: when one begins, what keeps it going, and when it is over. */
#include "burst.h"

#include "unit.h"

enum call {
	CHANGE,
	DOUBT,
	TOUCH,
	YOUNG,
	WRITING,    /* something that was made is not closed, from now on */
	WRITTEN,    /* it is */
	DUE,        /* burst_due() says NEVER or when */
	OVER,       /* burst_is_over() says 0 or 1 */
	DOUBT_OVER, /* burst_doubt_is_over() says 0 or 1 */
	YOUNG_OVER, /* burst_young_is_over() says 0 or 1 */
};

static const char *const call_names[] = { "CHANGE", "DOUBT", "TOUCH", "YOUNG", "WRITING", "WRITTEN",
	"DUE", "OVER", "DOUBT_OVER", "YOUNG_OVER" };

enum {
	NEVER = -1,
};

struct beat {
	uint64_t at_ms;
	enum call call;
	long long expected;
};

static long long
play_beat(struct burst *burst, const struct beat *beat)
{
	uint64_t due_ms = 0;

	switch (beat->call) {
	case CHANGE:
		burst_change(burst, beat->at_ms);
		break;
	case DOUBT:
		burst_doubt(burst, beat->at_ms);
		break;
	case TOUCH:
		burst_touch(burst, beat->at_ms);
		break;
	case YOUNG:
		burst_young(burst, beat->at_ms);
		break;
	case WRITING:
	case WRITTEN:
		burst->writing = beat->call == WRITING;
		break;
	case DUE:
		return burst_due(burst, &due_ms) ? (long long)due_ms : NEVER;
	case OVER:
		return burst_is_over(burst, beat->at_ms);
	case DOUBT_OVER:
		return burst_doubt_is_over(burst, beat->at_ms);
	case YOUNG_OVER:
		return burst_young_is_over(burst, beat->at_ms);
	}
	return beat->expected;
}

/* With a settle of 50 ms, and of 250 ms for what is in doubt. */
static void
play(const struct beat *beats, size_t n)
{
	struct burst burst = { .settle_ms = 50, .settle_removed_ms = 250 };

	for (size_t i = 0; i < n; i++) {
		char row[64];

		(void)snprintf(row, sizeof row, "beat %zu, %s at %llu", i + 1,
		    call_names[beats[i].call], (unsigned long long)beats[i].at_ms);
		expect_equal(row, play_beat(&burst, &beats[i]), beats[i].expected);
	}
}

static void
without_a_change_there_is_nothing_to_wait_for(void **state)
{
	static const struct beat beats[] = {
		{ 0, DUE, NEVER },
		{ 0, OVER, false },
		{ 0, DOUBT_OVER, false },
		{ 1000000, OVER, false },
		{ 1000000, DOUBT_OVER, false },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_burst_is_over_when_it_was_quiet_long_enough(void **state)
{
	static const struct beat beats[] = {
		{ 1000, CHANGE, 0 },
		{ 1000, DUE, 1050 },
		{ 1000, OVER, false },
		{ 1049, OVER, false },
		{ 1049, DUE, 1050 },
		{ 1050, OVER, true },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
who_looks_late_finds_it_over_as_well(void **state)
{
	static const struct beat beats[] = {
		{ 1000, CHANGE, 0 },
		{ 5000, OVER, true },
		{ 5000, OVER, false },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_burst_that_is_over_is_forgotten(void **state)
{
	static const struct beat beats[] = {
		{ 1000, CHANGE, 0 },
		{ 1050, OVER, true },
		{ 1050, DUE, NEVER },
		{ 1050, OVER, false },
		{ 99999, OVER, false },
		{ 99999, TOUCH, 0 },
		{ 99999, DUE, NEVER },
		{ 100000, CHANGE, 0 },
		{ 100000, DUE, 100050 },
		{ 100049, OVER, false },
		{ 100050, OVER, true },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
each_change_and_each_touch_makes_it_longer(void **state)
{
	static const struct beat beats[] = {
		{ 1000, CHANGE, 0 },
		{ 1040, CHANGE, 0 },
		{ 1040, DUE, 1090 },
		{ 1050, OVER, false },
		{ 1080, TOUCH, 0 },
		{ 1080, DUE, 1130 },
		{ 1129, OVER, false },
		{ 1130, OVER, true },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_touch_alone_begins_nothing(void **state)
{
	static const struct beat beats[] = {
		{ 1000, TOUCH, 0 },
		{ 1000, DUE, NEVER },
		{ 2000, OVER, false },
		{ 2000, DOUBT_OVER, false },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_tree_that_never_comes_to_rest_is_taken_after_ten_seconds(void **state)
{
	static const enum call calls[] = { CHANGE, TOUCH, DOUBT };

	(void)state;
	for (size_t c = 0; c < COUNT(calls); c++) {
		struct burst burst = { .settle_ms = 50, .settle_removed_ms = 250 };
		uint64_t due_ms = 0;

		burst_change(&burst, 1000);
		for (uint64_t now_ms = 1010; now_ms < 11000; now_ms += 10) {
			const struct beat beat = { now_ms, calls[c], 0 };

			expect_equal(call_names[calls[c]], burst_is_over(&burst, now_ms), false);
			(void)play_beat(&burst, &beat);
			expect_equal(call_names[calls[c]], burst_due(&burst, &due_ms), true);
			expect_equal(call_names[calls[c]], due_ms,
			    now_ms + 50 < 11000 ? now_ms + 50 : 11000);
		}
		expect_equal(call_names[calls[c]], burst_is_over(&burst, 10999), false);
		expect_equal(call_names[calls[c]], burst_is_over(&burst, 11000), true);
		/* The next one has ten seconds of its own. */
		burst_change(&burst, 11001);
		expect_equal(call_names[calls[c]], burst_is_over(&burst, 11002), false);
		expect_equal(call_names[calls[c]], burst_due(&burst, &due_ms), true);
		expect_equal(call_names[calls[c]], due_ms, 11051);
	}
}

static void
what_is_in_doubt_is_looked_at_when_it_has_been_so_long_enough(void **state)
{
	static const struct beat beats[] = {
		{ 1000, DOUBT, 0 },
		{ 1000, DUE, 1250 },
		{ 1000, OVER, false },
		{ 1249, DOUBT_OVER, false },
		{ 1249, DUE, 1250 },
		{ 1250, OVER, false },
		{ 1250, DOUBT_OVER, true },
		{ 1250, DOUBT_OVER, false },
		{ 1250, DUE, NEVER },
		{ 9999, OVER, false },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
the_last_thing_in_doubt_counts(void **state)
{
	static const struct beat beats[] = {
		{ 1000, DOUBT, 0 },
		{ 1200, DOUBT, 0 },
		{ 1200, DUE, 1450 },
		{ 1250, DOUBT_OVER, false },
		{ 1449, DOUBT_OVER, false },
		{ 1450, DOUBT_OVER, true },
		{ 1450, DUE, NEVER },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_touch_does_not_settle_or_prolong_a_doubt(void **state)
{
	static const struct beat beats[] = {
		{ 1000, DOUBT, 0 },
		{ 1100, TOUCH, 0 },
		{ 1100, DUE, 1250 },
		{ 1100, OVER, false },
		{ 1249, DOUBT_OVER, false },
		{ 1250, DOUBT_OVER, true },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_doubt_that_turns_out_to_be_a_change_begins_a_burst(void **state)
{
	static const struct beat beats[] = {
		{ 1000, DOUBT, 0 },
		{ 1250, DOUBT_OVER, true },
		{ 1250, CHANGE, 0 },
		{ 1250, DUE, 1300 },
		{ 1299, OVER, false },
		{ 1300, OVER, true },
		{ 1300, DUE, NEVER },
	};

	(void)state;
	play(beats, COUNT(beats));
}

/* It belongs to the burst, so nobody waits for it alone. */
static void
a_doubt_before_a_change_does_not_make_the_burst_longer(void **state)
{
	static const struct beat beats[] = {
		{ 1000, DOUBT, 0 },
		{ 1010, CHANGE, 0 },
		{ 1010, DUE, 1060 },
		{ 1059, OVER, false },
		{ 1060, OVER, true },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_doubt_in_a_burst_is_something_seen_in_it(void **state)
{
	static const struct beat beats[] = {
		{ 1000, CHANGE, 0 },
		{ 1040, DOUBT, 0 },
		{ 1040, DUE, 1090 },
		{ 1050, OVER, false },
		{ 1089, OVER, false },
		{ 1090, OVER, true },
	};

	(void)state;
	play(beats, COUNT(beats));
}

/* A change may be held for long; what is missing is still looked at when it is due. */
static void
what_is_in_doubt_outlives_a_burst(void **state)
{
	static const struct beat beats[] = {
		{ 1000, DOUBT, 0 },
		{ 1010, CHANGE, 0 },
		{ 1020, DOUBT, 0 },
		{ 1070, OVER, true },
		{ 1070, OVER, false },
		{ 1070, DUE, 1270 },
		{ 1269, DOUBT_OVER, false },
		{ 1270, DOUBT_OVER, true },
		{ 1270, DUE, NEVER },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
the_two_times_are_those_of_the_options(void **state)
{
	static const struct {
		uint64_t settle_ms, settle_removed_ms, change_due_ms, doubt_due_ms;
	} rows[] = {
		{ 1, 1, 1001, 1001 }, { 50, 10, 1050, 1010 }, { 10, 5000, 1010, 6000 },
		{ 10000, 60000, 11000, 61000 },
		{ 3600000, 3600000, 11000, 3601000 }, /* none lasts longer than ten seconds */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct burst burst = { .settle_ms = rows[i].settle_ms,
			.settle_removed_ms = rows[i].settle_removed_ms };
		uint64_t due_ms = 0;
		char row[16];

		(void)snprintf(row, sizeof row, "row %zu", i);
		burst_doubt(&burst, 1000);
		expect_equal(row, burst_due(&burst, &due_ms), true);
		expect_equal(row, due_ms, rows[i].doubt_due_ms);
		expect_equal(row, burst_doubt_is_over(&burst, due_ms - 1), false);
		expect_equal(row, burst_doubt_is_over(&burst, due_ms), true);
		burst_change(&burst, 1000);
		expect_equal(row, burst_due(&burst, &due_ms), true);
		expect_equal(row, due_ms, rows[i].change_due_ms);
		expect_equal(row, burst_is_over(&burst, due_ms - 1), false);
		expect_equal(row, burst_is_over(&burst, due_ms), true);
	}
}

/* Whatever has happened: neither too early, nor never. */
static void
what_is_due_is_over_at_that_time_and_not_before(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct burst burst = { .settle_ms = 1 + round % 97,
			.settle_removed_ms = 1 + round % 211 };
		uint64_t now_ms = 5 + round;

		for (unsigned i = 0; i < 200; i++) {
			struct burst early, late;
			uint64_t due_ms = 0;
			const struct beat beat = { now_ms, (enum call)(random >> 33) % 3, 0 };

			(void)play_beat(&burst, &beat);
			random = random * 6364136223846793005U + 1442695040888963407U;
			now_ms += (random >> 40) % 100;
			early = late = burst;
			if (!burst_due(&burst, &due_ms)) {
				expect_equal(
				    "nothing begun", burst.changed || burst.doubtful, false);
				continue;
			}
			if (burst.changed) {
				expect_equal("due", due_ms <= burst.began_ms + BURST_MAX_MS, true);
				expect_equal("early", burst_is_over(&early, due_ms - 1), false);
				expect_equal("late", burst_is_over(&late, due_ms), true);
			} else {
				expect_equal(
				    "early", burst_doubt_is_over(&early, due_ms - 1), false);
				expect_equal("late", burst_doubt_is_over(&late, due_ms), true);
			}
			(void)burst_is_over(&burst, now_ms);
			(void)burst_doubt_is_over(&burst, now_ms);
		}
	}
}

static void
what_differs_at_first_sight_is_looked_at_once_more(void **state)
{
	static const struct beat beats[] = {
		{ 0, YOUNG_OVER, 0 },
		{ 100, YOUNG, 0 },
		{ 100, DUE, 150 },
		{ 149, YOUNG_OVER, 0 },
		{ 150, YOUNG_OVER, 1 },
		{ 150, YOUNG_OVER, 0 },
		{ 150, DUE, NEVER },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_second_look_comes_before_what_is_due_later(void **state)
{
	static const struct beat beats[] = {
		{ 100, DOUBT, 0 },
		{ 120, YOUNG, 0 },
		{ 120, DUE, 170 },
		{ 170, YOUNG_OVER, 1 },
		{ 170, DUE, 350 },
		{ 180, CHANGE, 0 },
		{ 190, YOUNG, 0 },
		{ 190, DUE, 240 },
		{ 240, YOUNG_OVER, 1 },
		{ 240, OVER, 1 },
		{ 240, DUE, 350 },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_burst_waits_for_a_file_that_is_being_written(void **state)
{
	static const struct beat beats[] = {
		{ 100, CHANGE, 0 },
		{ 110, DOUBT, 0 },
		{ 110, WRITING, 0 },
		{ 110, DUE, 360 },
		{ 160, OVER, 0 },
		{ 200, TOUCH, 0 },
		{ 200, WRITTEN, 0 },
		{ 200, DUE, 250 },
		{ 250, OVER, 1 },
	};

	(void)state;
	play(beats, COUNT(beats));
}

static void
a_file_that_is_written_for_ever_is_not_waited_for(void **state)
{
	static const struct beat beats[] = {
		{ 100, CHANGE, 0 },
		{ 100, DOUBT, 0 },
		{ 100, WRITING, 0 },
		{ 349, OVER, 0 },
		{ 350, OVER, 1 },
	};

	(void)state;
	play(beats, COUNT(beats));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_change_there_is_nothing_to_wait_for),
		cmocka_unit_test(a_burst_is_over_when_it_was_quiet_long_enough),
		cmocka_unit_test(who_looks_late_finds_it_over_as_well),
		cmocka_unit_test(a_burst_that_is_over_is_forgotten),
		cmocka_unit_test(each_change_and_each_touch_makes_it_longer),
		cmocka_unit_test(a_touch_alone_begins_nothing),
		cmocka_unit_test(a_tree_that_never_comes_to_rest_is_taken_after_ten_seconds),
		cmocka_unit_test(what_is_in_doubt_is_looked_at_when_it_has_been_so_long_enough),
		cmocka_unit_test(the_last_thing_in_doubt_counts),
		cmocka_unit_test(a_touch_does_not_settle_or_prolong_a_doubt),
		cmocka_unit_test(a_doubt_that_turns_out_to_be_a_change_begins_a_burst),
		cmocka_unit_test(a_doubt_before_a_change_does_not_make_the_burst_longer),
		cmocka_unit_test(a_doubt_in_a_burst_is_something_seen_in_it),
		cmocka_unit_test(what_is_in_doubt_outlives_a_burst),
		cmocka_unit_test(the_two_times_are_those_of_the_options),
		cmocka_unit_test(what_is_due_is_over_at_that_time_and_not_before),
		cmocka_unit_test(what_differs_at_first_sight_is_looked_at_once_more),
		cmocka_unit_test(a_second_look_comes_before_what_is_due_later),
		cmocka_unit_test(a_burst_waits_for_a_file_that_is_being_written),
		cmocka_unit_test(a_file_that_is_written_for_ever_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("burst", tests, NULL, NULL);
}
