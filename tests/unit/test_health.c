/* SPDX-License-Identifier: MIT */
/* What verdicts mean, and when to ask next. */
#include "health.h"

#include "unit.h"

#include <errno.h>

/* ---- stories ---- */

/* What a question came to. */
enum answer {
	GOOD,
	WRONG_404,
	WRONG_500,
	SILENT,  /* nothing, or not in time */
	CANNOT,  /* not asked: no descriptor */
	FORGET,  /* no question: we stood still */
	ANOTHER, /* no question: another server was started */
};

static struct probe_verdict
verdict_of(enum answer answer)
{
	switch (answer) {
	case GOOD:
		return (struct probe_verdict){
			.result = PROBE_HEALTHY, .reason = PROBE_ANSWERED, .status = 200, .us = 1000
		};
	case WRONG_404:
	case WRONG_500:
		return (struct probe_verdict){ .result = PROBE_UNHEALTHY,
			.reason = PROBE_ANSWERED,
			.status = answer == WRONG_404 ? 404 : 500,
			.us = 1000 };
	case CANNOT:
		return (struct probe_verdict){
			.result = PROBE_ERROR, .reason = PROBE_CANNOT_ASK, .error = EMFILE
		};
	case SILENT:
	case FORGET:
	case ANOTHER:
		break;
	}
	return (struct probe_verdict){
		.result = PROBE_UNHEALTHY, .reason = PROBE_CANNOT_CONNECT, .error = ECONNREFUSED
	};
}

/* What happens, and what it must mean. */
struct beat {
	enum answer answer;
	enum health_fact fact;
};

static enum health_fact
follow(struct health *health, enum answer answer, uint64_t now_ms)
{
	const struct probe_verdict verdict = verdict_of(answer);

	if (answer == FORGET)
		health_forget(health);
	else if (answer == ANOTHER)
		health_begin(health, now_ms);
	else
		return health_take(health, &verdict, now_ms);
	return HEALTH_NOTHING;
}

/* One beat each 100 ms. */
static struct health
play(const struct health_policy *policy, const struct beat *beats, size_t n)
{
	struct health health;

	health_init(&health, policy);
	health_begin(&health, 1000);
	for (size_t i = 0; i < n; i++) {
		char row[32];

		(void)snprintf(row, sizeof row, "beat %zu", i + 1);
		expect_equal(row, follow(&health, beats[i].answer, 1000 + 100 * i), beats[i].fact);
	}
	return health;
}

/* Somebody said what to ask for. */
static const struct health_policy strict = {
	.start_interval_ms = 100, .interval_ms = 10000, .retries = 3
};

/* Nobody did. */
static const struct health_policy easy = {
	.start_interval_ms = 100, .interval_ms = 10000, .retries = 3, .any_answer_is_ready = true
};

static void
the_first_good_answer_is_ready_and_no_other(void **state)
{
	static const struct beat beats[] = {
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ GOOD, HEALTH_READY },
		{ GOOD, HEALTH_NOTHING },
		{ GOOD, HEALTH_NOTHING },
	};
	struct health health = play(&strict, beats, COUNT(beats));

	(void)state;
	assert_true(health.ready);
	assert_true(health.proven);
	assert_false(health.warned);
	assert_false(health.failed);
	assert_int_equal(health.failures, 0);
	assert_int_equal(health.started_ms, 1000);
	assert_int_equal(health.ready_ms, 1500);
}

static void
an_unexpected_answer_is_told_once_and_is_not_ready(void **state)
{
	static const struct beat beats[] = {
		{ SILENT, HEALTH_NOTHING },
		{ WRONG_404, HEALTH_WRONG },
		{ WRONG_404, HEALTH_NOTHING },
		{ WRONG_500, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ GOOD, HEALTH_READY },
	};
	struct health before = play(&strict, beats, COUNT(beats) - 1);
	struct health after = play(&strict, beats, COUNT(beats));

	(void)state;
	assert_false(before.ready);
	assert_false(before.proven);
	assert_true(before.warned);
	assert_true(after.ready);
	assert_true(after.proven);
}

static void
any_answer_below_500_is_ready_if_nobody_said_what_to_ask_for(void **state)
{
	static const struct beat beats[] = {
		{ SILENT, HEALTH_NOTHING },
		{ WRONG_404, HEALTH_READY },
	};
	struct health health = play(&easy, beats, COUNT(beats));

	(void)state;
	assert_true(health.ready);
	assert_true(health.warned);
	assert_false(health.proven);
	assert_int_equal(health.ready_ms, 1100);
}

static void
an_answer_from_500_on_is_never_ready(void **state)
{
	static const struct beat beats[] = {
		{ WRONG_500, HEALTH_WRONG },
		{ WRONG_500, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ WRONG_404, HEALTH_READY },
	};
	struct health before = play(&easy, beats, COUNT(beats) - 1);

	(void)state;
	assert_false(before.ready);
	assert_false(before.proven);
	assert_false(play(&easy, beats, COUNT(beats)).proven);
}

static void
only_an_expected_answer_proves_a_server(void **state)
{
	static const struct beat never[] = {
		{ WRONG_404, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
	};
	static const struct beat later[] = {
		{ WRONG_404, HEALTH_READY },
		{ GOOD, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
	};

	(void)state;
	assert_false(play(&easy, never, COUNT(never)).proven);
	assert_true(play(&easy, later, COUNT(later)).proven);
}

static void
what_fails_before_it_was_ready_did_not_fail(void **state)
{
	static const struct beat beats[] = {
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
	};

	(void)state;
	(void)play(&strict, beats, COUNT(beats));
}

static void
retries_failures_in_a_row_are_told_once_and_so_is_the_recovery(void **state)
{
	static const struct beat beats[] = {
		{ WRONG_404, HEALTH_WRONG },
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ WRONG_404, HEALTH_NOTHING },
		{ WRONG_500, HEALTH_FAILED },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ GOOD, HEALTH_RECOVERED },
		{ GOOD, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
		{ GOOD, HEALTH_RECOVERED },
	};
	struct health failed = play(&strict, beats, 8);
	struct health well = play(&strict, beats, COUNT(beats));

	(void)state;
	assert_true(failed.failed);
	assert_true(failed.ready);
	assert_true(failed.proven);
	assert_int_equal(failed.failures, 6);
	assert_false(well.failed);
	assert_int_equal(well.failures, 0);
	assert_int_equal(well.ready_ms, 1100);
}

/* An answer that is both tells of the worse. */
static void
the_first_wrong_answer_can_be_the_failure(void **state)
{
	static const struct beat beats[] = {
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ WRONG_500, HEALTH_FAILED },
		{ GOOD, HEALTH_RECOVERED },
	};

	(void)state;
	(void)play(&strict, beats, COUNT(beats));
}

static void
a_good_answer_in_between_starts_the_count_anew(void **state)
{
	static const struct beat beats[] = {
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ GOOD, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ GOOD, HEALTH_NOTHING },
	};

	(void)state;
	assert_int_equal(play(&strict, beats, COUNT(beats)).failures, 0);
}

static void
with_one_retry_the_first_failure_counts(void **state)
{
	static const struct health_policy once = {
		.start_interval_ms = 100, .interval_ms = 1000, .retries = 1
	};
	static const struct beat beats[] = {
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_FAILED },
		{ GOOD, HEALTH_RECOVERED },
		{ WRONG_500, HEALTH_FAILED },
	};

	(void)state;
	(void)play(&once, beats, COUNT(beats));
}

static void
what_could_not_be_asked_counts_for_nothing(void **state)
{
	static const struct beat beats[] = {
		{ CANNOT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ GOOD, HEALTH_READY },
		{ CANNOT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ CANNOT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
		{ CANNOT, HEALTH_NOTHING },
		{ GOOD, HEALTH_RECOVERED },
	};
	struct health health = play(&strict, beats, COUNT(beats));

	(void)state;
	assert_int_equal(health.n_entries, COUNT(beats));
	assert_int_equal(health_recall(&health, 1)->verdict.result, PROBE_ERROR);
	assert_int_equal(health_recall(&health, 1)->verdict.error, EMFILE);
}

static void
failures_from_before_a_standstill_are_forgotten(void **state)
{
	static const struct beat beats[] = {
		{ FORGET, HEALTH_NOTHING },
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ FORGET, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
	};
	struct health forgotten = play(&strict, beats, 5);

	(void)state;
	assert_int_equal(forgotten.failures, 0);
	assert_true(forgotten.ready);
	assert_true(forgotten.proven);
	assert_int_equal(forgotten.n_entries, 3);
	(void)play(&strict, beats, COUNT(beats));
}

/* What was told must be taken back, or a log would end with "unhealthy". */
static void
a_recovery_is_told_even_if_the_failures_are_forgotten(void **state)
{
	static const struct beat beats[] = {
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
		{ FORGET, HEALTH_NOTHING },
		{ GOOD, HEALTH_RECOVERED },
	};

	(void)state;
	(void)play(&strict, beats, COUNT(beats));
}

static void
another_server_is_a_stranger(void **state)
{
	static const struct beat beats[] = {
		{ WRONG_404, HEALTH_WRONG },
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
		{ ANOTHER, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ WRONG_404, HEALTH_WRONG },
		{ GOOD, HEALTH_READY },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_FAILED },
	};
	struct health health = play(&strict, beats, 6);

	(void)state;
	assert_false(health.ready);
	assert_false(health.proven);
	assert_false(health.warned);
	assert_false(health.failed);
	assert_int_equal(health.failures, 0);
	assert_int_equal(health.started_ms, 1500);
	assert_int_equal(health.policy.retries, 3);
	assert_int_equal(health.n_entries, 5);
	assert_int_equal(health_recall(&health, 0)->verdict.error, ECONNREFUSED);
	assert_int_equal(health_recall(&health, 4)->verdict.status, 404);
	(void)play(&strict, beats, COUNT(beats));
}

/* ---- the history ---- */

static void
the_last_sixteen_verdicts_are_remembered(void **state)
{
	struct health health;

	(void)state;
	health_init(&health, &strict);
	assert_null(health_recall(&health, 0));
	health_begin(&health, 0);
	assert_null(health_recall(&health, 0));
	for (unsigned n = 1; n <= 3 * HEALTH_HISTORY + 5; n++) {
		struct probe_verdict verdict = verdict_of(n % 3 == 0 ? SILENT : GOOD);
		unsigned known = n < HEALTH_HISTORY ? n : HEALTH_HISTORY;

		verdict.us = n;
		(void)health_take(&health, &verdict, 10 * n);
		assert_int_equal(health.n_entries, n);
		for (unsigned ago = 0; ago < known; ago++) {
			const struct health_entry *entry = health_recall(&health, ago);

			assert_non_null(entry);
			assert_int_equal(entry->verdict.us, n - ago);
			assert_int_equal(entry->at_ms, 10 * (n - ago));
		}
		assert_null(health_recall(&health, known));
		assert_null(health_recall(&health, UINT32_MAX));
	}
}

/* ---- when to ask next ---- */

static void
before_the_first_answer_the_pause_grows_to_a_32nd_of_the_wait(void **state)
{
	static const uint64_t starts[] = { 0, 1, 1000, UINT64_C(1) << 40 };
	static const uint64_t intervals[] = { 1, 100, 5000, UINT64_C(31536000000) };

	(void)state;
	for (size_t s = 0; s < COUNT(starts); s++)
		for (size_t i = 0; i < COUNT(intervals); i++) {
			const struct health_policy policy = {
				.start_interval_ms = intervals[i], .interval_ms = 7, .retries = 3
			};
			struct health health;

			health_init(&health, &policy);
			health_begin(&health, starts[s]);
			for (uint64_t wait = 0; wait < UINT64_C(1) << 50; wait = 3 * wait + 1) {
				uint64_t delay = health_delay(&health, starts[s] + wait);

				expect_equal(
				    "too early", delay < intervals[i] || delay < wait / 32, false);
				expect_equal("too late", delay > intervals[i] + wait / 32, false);
			}
		}
}

static void
the_pause_before_the_next_question_depends_on_what_is_known(void **state)
{
	static const struct beat good[] = { { GOOD, HEALTH_READY } };
	static const struct beat wrong[] = { { WRONG_404, HEALTH_WRONG } };
	static const struct beat easily[] = { { WRONG_404, HEALTH_READY } };
	static const struct beat failing[] = { { GOOD, HEALTH_READY }, { SILENT, HEALTH_NOTHING } };
	static const struct beat failed[] = { { GOOD, HEALTH_READY }, { SILENT, HEALTH_NOTHING },
		{ SILENT, HEALTH_NOTHING }, { SILENT, HEALTH_FAILED }, { SILENT, HEALTH_NOTHING } };
	static const struct beat again[] = { { GOOD, HEALTH_READY }, { ANOTHER, HEALTH_NOTHING } };
	static const struct {
		const char *what;
		const struct beat *beats;
		size_t n;
		uint64_t interval_ms, expected;
		bool easy;
	} rows[] = {
		{ "nothing", NULL, 0, 0, 100, false },
		{ "nothing", NULL, 0, 10000, 100, false },
		{ "wrong", wrong, COUNT(wrong), 10000, 100, false },
		{ "ready", good, COUNT(good), 0, 0, false },
		{ "ready", good, COUNT(good), 10000, 10000, false },
		{ "ready", good, COUNT(good), 1, 1, false },
		{ "ready by a 404", easily, COUNT(easily), 0, 0, true },
		{ "ready by a 404", easily, COUNT(easily), 10000, 10000, true },
		{ "failing", failing, COUNT(failing), 10000, 10000, false },
		{ "failed", failed, COUNT(failed), 10000, 10000, false },
		{ "another server", again, COUNT(again), 10000, 100, false },
		{ "another server", again, COUNT(again), 0, 100, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct health_policy policy = { .start_interval_ms = 100,
			.interval_ms = rows[i].interval_ms,
			.retries = 3,
			.any_answer_is_ready = rows[i].easy };
		struct health health = play(&policy, rows[i].beats, rows[i].n);

		expect_equal(rows[i].what, health_delay(&health, 1500), rows[i].expected);
	}
}

static void
nobody_is_asked_if_both_intervals_are_0(void **state)
{
	static const struct health_policy never = { .retries = 3 };
	struct health health;

	(void)state;
	health_init(&health, &never);
	health_begin(&health, 1000);
	assert_int_equal(health_delay(&health, 1000), 0);
	assert_int_equal(health_delay(&health, 1000000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_good_answer_is_ready_and_no_other),
		cmocka_unit_test(an_unexpected_answer_is_told_once_and_is_not_ready),
		cmocka_unit_test(any_answer_below_500_is_ready_if_nobody_said_what_to_ask_for),
		cmocka_unit_test(an_answer_from_500_on_is_never_ready),
		cmocka_unit_test(only_an_expected_answer_proves_a_server),
		cmocka_unit_test(what_fails_before_it_was_ready_did_not_fail),
		cmocka_unit_test(retries_failures_in_a_row_are_told_once_and_so_is_the_recovery),
		cmocka_unit_test(the_first_wrong_answer_can_be_the_failure),
		cmocka_unit_test(a_good_answer_in_between_starts_the_count_anew),
		cmocka_unit_test(with_one_retry_the_first_failure_counts),
		cmocka_unit_test(what_could_not_be_asked_counts_for_nothing),
		cmocka_unit_test(failures_from_before_a_standstill_are_forgotten),
		cmocka_unit_test(a_recovery_is_told_even_if_the_failures_are_forgotten),
		cmocka_unit_test(another_server_is_a_stranger),
		cmocka_unit_test(the_last_sixteen_verdicts_are_remembered),
		cmocka_unit_test(before_the_first_answer_the_pause_grows_to_a_32nd_of_the_wait),
		cmocka_unit_test(the_pause_before_the_next_question_depends_on_what_is_known),
		cmocka_unit_test(nobody_is_asked_if_both_intervals_are_0),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
