/* SPDX-License-Identifier: MIT */
/* The life of the server: the table, its stories, and every state that can be reached. */
#include "lifecycle.h"

#include "exit_code.h"
#include "unit.h"

static const char *const event_names[LIFE_N_EVENTS] = { "START", "SPAWNED", "REFUSED", "FAILED",
	"EXITED", "GONE", "STOP", "RESTART", "UNHEALTHY", "CHANGED", "QUIET", "DEADLINE" };

/* ---- the table: each state and event ---- */

/* Every feature switched on. */
static const struct life_policy everything = {
	.restart = LIFE_RESTART_ALWAYS,
	.restart_delay_ms = 300,
	.restart_delay_max_ms = 2000,
	.drain_delay_ms = 4000,
	.stop_timeout_ms = 5000,
	.restart_timeout_ms = 6000,
	.waits = true,
	.change_timeout_ms = 7000,
};

struct transition {
	enum life_state state;
	enum life_event event;
	enum life_state next;
	unsigned actions;
	uint64_t delay_ms;
};

/* What is not here changes nothing. */
static const struct transition transitions[] = {
	{ LIFE_NEW, LIFE_EV_START, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM, 0 },

	{ LIFE_RUNNING, LIFE_EV_REFUSED, LIFE_BACKOFF, LIFE_ARM, 100 },
	{ LIFE_RUNNING, LIFE_EV_FAILED, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },
	{ LIFE_RUNNING, LIFE_EV_EXITED, LIFE_CLEARING, LIFE_CLEAR | LIFE_ARM, 1000 },
	{ LIFE_RUNNING, LIFE_EV_STOP, LIFE_DRAINING, LIFE_ARM, 4000 },
	{ LIFE_RUNNING, LIFE_EV_RESTART, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 6000 },
	{ LIFE_RUNNING, LIFE_EV_UNHEALTHY, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 6000 },
	{ LIFE_RUNNING, LIFE_EV_CHANGED, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 7000 },

	{ LIFE_DRAINING, LIFE_EV_EXITED, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },
	{ LIFE_DRAINING, LIFE_EV_STOP, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 5000 },
	{ LIFE_DRAINING, LIFE_EV_DEADLINE, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 5000 },

	{ LIFE_STOPPING, LIFE_EV_EXITED, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },
	{ LIFE_STOPPING, LIFE_EV_STOP, LIFE_STOPPING, LIFE_SIGNAL, 0 },
	{ LIFE_STOPPING, LIFE_EV_DEADLINE, LIFE_STOPPING, LIFE_KILL | LIFE_ARM, 1000 },

	{ LIFE_RESTARTING, LIFE_EV_EXITED, LIFE_CLEARING, LIFE_CLEAR | LIFE_ARM, 1000 },
	{ LIFE_RESTARTING, LIFE_EV_STOP, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 5000 },
	{ LIFE_RESTARTING, LIFE_EV_DEADLINE, LIFE_RESTARTING, LIFE_KILL | LIFE_ARM, 1000 },

	{ LIFE_CLEARING, LIFE_EV_GONE, LIFE_BACKOFF, LIFE_ARM, 700 },
	{ LIFE_CLEARING, LIFE_EV_DEADLINE, LIFE_CLEARING, LIFE_KILL | LIFE_ARM, 1000 },
	{ LIFE_CLEARING, LIFE_EV_STOP, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },

	{ LIFE_SETTLING, LIFE_EV_QUIET, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM, 0 },
	{ LIFE_SETTLING, LIFE_EV_RESTART, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM, 0 },
	{ LIFE_SETTLING, LIFE_EV_STOP, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },

	{ LIFE_WAITING, LIFE_EV_CHANGED, LIFE_SETTLING, 0, 0 },
	{ LIFE_WAITING, LIFE_EV_RESTART, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM, 0 },
	{ LIFE_WAITING, LIFE_EV_STOP, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },

	{ LIFE_BACKOFF, LIFE_EV_CHANGED, LIFE_SETTLING, LIFE_DISARM, 0 },
	{ LIFE_BACKOFF, LIFE_EV_DEADLINE, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM, 0 },
	{ LIFE_BACKOFF, LIFE_EV_RESTART, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM, 0 },
	{ LIFE_BACKOFF, LIFE_EV_STOP, LIFE_ENDING, LIFE_SWEEP | LIFE_ARM, 1000 },

	{ LIFE_ENDING, LIFE_EV_GONE, LIFE_DONE, LIFE_QUIT | LIFE_DISARM, 0 },
	{ LIFE_ENDING, LIFE_EV_DEADLINE, LIFE_DONE, LIFE_QUIT | LIFE_DISARM, 0 },
};

static struct transition
find_transition(enum life_state state, enum life_event event)
{
	for (size_t i = 0; i < COUNT(transitions); i++)
		if (transitions[i].state == state && transitions[i].event == event)
			return transitions[i];
	return (struct transition){ state, event, state, 0, 0 };
}

static void
each_state_answers_each_event_as_the_table_says(void **state)
{
	(void)state;
	for (enum life_state from = 0; from < LIFE_N_STATES; from++)
		for (enum life_event event = 0; event < LIFE_N_EVENTS; event++) {
			struct transition expected = find_transition(from, event);
			struct lifecycle life;
			struct life_step step;
			char row[64];

			lifecycle_init(&life, &everything);
			life.state = from;
			life.delay_ms = 700;
			life.unsettled = from == LIFE_SETTLING; /* else it would not be in it */
			step = lifecycle_step(&life, event, 3, 1000);
			(void)snprintf(
			    row, sizeof row, "%s, %s", life_state_name(from), event_names[event]);
			expect_equal(row, life.state, expected.next);
			expect_equal(row, step.actions, expected.actions);
			expect_equal(row, step.delay_ms, expected.delay_ms);
		}
}

static void
every_state_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (enum life_state a = 0; a < LIFE_N_STATES; a++) {
		assert_true(*life_state_name(a) != '\0');
		for (enum life_state b = 0; b < a; b++)
			assert_string_not_equal(life_state_name(a), life_state_name(b));
	}
	assert_string_equal(life_state_name(LIFE_BACKOFF), "backoff");
}

/* ---- stories ---- */

/* What happens, and what must come of it. */
struct beat {
	uint64_t at_ms;
	enum life_event event;
	int code;
	enum life_state state;
	unsigned actions;
	uint64_t delay_ms;
};

static struct lifecycle
play(const struct life_policy *policy, const struct beat *beats, size_t n)
{
	struct lifecycle life;

	lifecycle_init(&life, policy);
	assert_int_equal(life.state, LIFE_NEW);
	for (size_t i = 0; i < n; i++) {
		const struct beat *beat = &beats[i];
		struct life_step step = lifecycle_step(&life, beat->event, beat->code, beat->at_ms);
		char row[64];

		(void)snprintf(row, sizeof row, "beat %zu, %s", i + 1, event_names[beat->event]);
		expect_equal(row, life.state, beat->state);
		expect_equal(row, step.actions, beat->actions);
		expect_equal(row, step.delay_ms, beat->delay_ms);
	}
	return life;
}

#define SPAWN (LIFE_SPAWN | LIFE_DISARM)
#define CLEAR (LIFE_CLEAR | LIFE_ARM)
#define SWEEP (LIFE_SWEEP | LIFE_ARM)
#define QUIT  (LIFE_QUIT | LIFE_DISARM)

static void
without_options_the_first_end_is_the_last(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_NO };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 3, LIFE_ENDING, SWEEP, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 3);
}

static void
without_a_stop_timeout_nobody_is_killed(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_DISARM, 0 },
		{ 9000, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL, 0 },
		{ 90000, LIFE_EV_EXITED, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 91000, LIFE_EV_DEADLINE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 0);
}

static void
a_drain_comes_before_the_signal_and_without_a_timeout_disarms(void **state)
{
	static const struct life_policy policy = { .drain_delay_ms = 2000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_ARM, 2000 },
		{ 3, LIFE_EV_RESTART, 0, LIFE_DRAINING, 0, 0 },
		{ 2002, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_DISARM, 0 },
		{ 2003, LIFE_EV_EXITED, 143, LIFE_ENDING, SWEEP, 1000 },
		{ 2004, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 143);
}

static void
a_second_stop_ends_the_drain_and_a_third_is_passed_on(void **state)
{
	static const struct life_policy policy = { .drain_delay_ms = 2000, .stop_timeout_ms = 500 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_ARM, 2000 },
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 500 },
		{ 4, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL, 0 },
		{ 5, LIFE_EV_EXITED, 0, LIFE_ENDING, SWEEP, 1000 },
	};

	(void)state;
	(void)play(&policy, beats, COUNT(beats));
}

static void
a_server_that_ends_while_it_drains_is_not_started_again(void **state)
{
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_ARM, 4000 },
		{ 3, LIFE_EV_EXITED, 1, LIFE_ENDING, SWEEP, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&everything, beats, COUNT(beats)).exit_code, 1);
}

static void
a_server_that_outlives_stop_timeout_is_killed(void **state)
{
	static const struct life_policy policy = { .stop_timeout_ms = 2000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 2000 },
		{ 2002, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 2003, LIFE_EV_EXITED, 137, LIFE_ENDING, SWEEP, 1000 },
		{ 2004, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 137);
}

static void
a_server_that_outlives_sigkill_is_left_with_137(void **state)
{
	static const struct life_policy policy = { .stop_timeout_ms = 2000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 2000 },
		{ 2002, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 3002, LIFE_EV_DEADLINE, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 3003, LIFE_EV_EXITED, 0, LIFE_ENDING, 0, 0 },
		{ 4002, LIFE_EV_DEADLINE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, EXIT_CODE_KILLED);
}

static void
a_restart_that_was_asked_for_happens_at_once_and_is_not_counted(void **state)
{
	static const struct life_policy policy = { .restart_limit = 1,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 100,
		.restart_timeout_ms = 5000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_RESTART, 0, LIFE_RESTARTING, 0, 0 },
		{ 4, LIFE_EV_EXITED, 143, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 6, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 7, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 5007, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 6007, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, 0, 0 },
		{ 9000, LIFE_EV_EXITED, 137, LIFE_CLEARING, CLEAR, 1000 },
		{ 10000, LIFE_EV_DEADLINE, 0, LIFE_CLEARING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 10002, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).restarts, 0);
}

static void
stop_wins_over_a_restart_in_progress(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
		.drain_delay_ms = 1000,
		.stop_timeout_ms = 3000,
		.restart_timeout_ms = 5000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 3000 },
		{ 4, LIFE_EV_RESTART, 0, LIFE_STOPPING, 0, 0 },
		{ 5, LIFE_EV_EXITED, 15, LIFE_ENDING, SWEEP, 1000 },
		{ 6, LIFE_EV_RESTART, 0, LIFE_ENDING, 0, 0 },
		{ 7, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 15);
}

static void
stop_after_the_sigkill_of_a_restart_waits_one_more_second(void **state)
{
	static const struct life_policy policy = { .stop_timeout_ms = 3000,
		.restart_timeout_ms = 5000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 5002, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 6002, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, 0, 0 },
		{ 7000, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 1000 },
		{ 8000, LIFE_EV_DEADLINE, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 9000, LIFE_EV_DEADLINE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, EXIT_CODE_KILLED);
}

static void
stop_during_the_back_off_ends_with_the_last_code(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 1000,
		.drain_delay_ms = 1000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 5, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 4, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 5, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 5);
}

static void
stop_while_the_remains_are_cleared_ends_with_the_last_code(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 6, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 4, LIFE_EV_STOP, 0, LIFE_ENDING, 0, 0 },
		{ 5, LIFE_EV_DEADLINE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 6);
}

static void
restart_during_the_back_off_does_not_wait(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
		.restart_delay_ms = 30000,
		.restart_delay_max_ms = 30000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 30000 },
		{ 4, LIFE_EV_RESTART, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 5, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 6, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 7, LIFE_EV_RESTART, 0, LIFE_CLEARING, 0, 0 },
		{ 8, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&policy, beats, COUNT(beats));
}

static void
what_is_left_of_a_group_is_killed_before_the_next_server(void **state)
{
	static const struct life_policy policy = {
		.restart = LIFE_RESTART_ALWAYS, .restart_delay_ms = 100, .restart_delay_max_ms = 100
	};
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 1002, LIFE_EV_DEADLINE, 0, LIFE_CLEARING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 1004, LIFE_EV_DEADLINE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 1102, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&policy, beats, COUNT(beats));
}

static void
a_command_that_never_worked_is_not_tried_again(void **state)
{
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_FAILED, 127, LIFE_ENDING, SWEEP, 1000 },
		{ 2, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&everything, beats, COUNT(beats)).exit_code, 127);
}

static void
a_command_that_worked_once_is_tried_again(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_limit = 2 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 4, LIFE_EV_FAILED, 126, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 6, LIFE_EV_FAILED, 126, LIFE_ENDING, SWEEP, 1000 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 126);
}

static void
refusals_back_off_five_times_and_end_with_71(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_NO };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 101, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 102, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 200 },
		{ 302, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 303, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 400 },
		{ 703, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 704, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 800 },
		{ 1504, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1505, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 1600 },
		{ 3105, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 3106, LIFE_EV_REFUSED, 71, LIFE_ENDING, SWEEP, 1000 },
		{ 3107, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, EXIT_CODE_REFUSED);
}

static void
a_server_that_came_up_forgives_all_refusals(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 101, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 102, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 200 },
		{ 302, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 303, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 304, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 305, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 306, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 307, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, EXIT_CODE_REFUSED);
}

static void
a_policy_says_which_ends_are_followed_by_a_start(void **state)
{
	static const struct {
		enum life_restart restart;
		int code;
		enum life_state expected;
	} rows[] = {
		{ LIFE_RESTART_NO, 0, LIFE_ENDING },
		{ LIFE_RESTART_NO, 1, LIFE_ENDING },
		{ LIFE_RESTART_NO, 137, LIFE_ENDING },
		{ LIFE_RESTART_ON_FAILURE, 0, LIFE_ENDING },
		{ LIFE_RESTART_ON_FAILURE, 1, LIFE_CLEARING },
		{ LIFE_RESTART_ON_FAILURE, 137, LIFE_CLEARING },
		{ LIFE_RESTART_ALWAYS, 0, LIFE_CLEARING },
		{ LIFE_RESTART_ALWAYS, 1, LIFE_CLEARING },
		{ LIFE_RESTART_ALWAYS, 137, LIFE_CLEARING },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct life_policy policy = { .restart = rows[i].restart };
		struct lifecycle life;

		lifecycle_init(&life, &policy);
		(void)lifecycle_step(&life, LIFE_EV_START, 0, 0);
		(void)lifecycle_step(&life, LIFE_EV_SPAWNED, 0, 0);
		(void)lifecycle_step(&life, LIFE_EV_EXITED, rows[i].code, 1);
		expect_equal("state", life.state, rows[i].expected);
	}
}

/* From RUNNING through the end of a server after lived_ms to RUNNING again; the delay in between. */
static uint64_t
crash(struct lifecycle *life, uint64_t *now_ms, uint64_t lived_ms)
{
	struct life_step step;

	(void)lifecycle_step(life, LIFE_EV_SPAWNED, 0, *now_ms);
	*now_ms += lived_ms;
	(void)lifecycle_step(life, LIFE_EV_EXITED, 1, *now_ms);
	assert_int_equal(life->state, LIFE_CLEARING);
	step = lifecycle_step(life, LIFE_EV_GONE, 0, *now_ms);
	if (life->state == LIFE_BACKOFF) {
		*now_ms += step.delay_ms;
		(void)lifecycle_step(life, LIFE_EV_DEADLINE, 0, *now_ms);
	}
	assert_int_equal(life->state, LIFE_RUNNING);
	return step.delay_ms;
}

static void
the_back_off_doubles_up_to_its_maximum(void **state)
{
	static const struct {
		uint64_t delay_ms, max_ms, expected[8];
	} rows[] = {
		{ 100, 30000, { 100, 200, 400, 800, 1600, 3200, 6400, 12800 } },
		{ 100, 1000, { 100, 200, 400, 800, 1000, 1000, 1000, 1000 } },
		{ 100, 400, { 100, 200, 400, 400, 400, 400, 400, 400 } },
		{ 100, 100, { 100, 100, 100, 100, 100, 100, 100, 100 } },
		{ 60000, 30000, { 30000, 30000, 30000, 30000, 30000, 30000, 30000, 30000 } },
		{ 0, 30000, { 0, 0, 0, 0, 0, 0, 0, 0 } },
		{ 100, 0, { 0, 0, 0, 0, 0, 0, 0, 0 } },
		{ UINT64_C(31536000000), UINT64_C(31536000000),
		    { UINT64_C(31536000000), UINT64_C(31536000000), UINT64_C(31536000000),
			UINT64_C(31536000000), UINT64_C(31536000000), UINT64_C(31536000000),
			UINT64_C(31536000000), UINT64_C(31536000000) } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
			.restart_delay_ms = rows[i].delay_ms,
			.restart_delay_max_ms = rows[i].max_ms };
		struct lifecycle life;
		uint64_t now_ms = 1;

		lifecycle_init(&life, &policy);
		(void)lifecycle_step(&life, LIFE_EV_START, 0, now_ms);
		for (size_t n = 0; n < COUNT(rows[i].expected); n++)
			expect_equal("delay", crash(&life, &now_ms, 1), rows[i].expected[n]);
	}
}

static void
the_back_off_stays_at_its_maximum_for_ever(void **state)
{
	const struct life_policy policy = {
		.restart = LIFE_RESTART_ALWAYS, .restart_delay_ms = 1, .restart_delay_max_ms = 30000
	};
	struct lifecycle life;
	uint64_t now_ms = 1;

	(void)state;
	lifecycle_init(&life, &policy);
	(void)lifecycle_step(&life, LIFE_EV_START, 0, now_ms);
	for (unsigned n = 0; n < 1000; n++)
		expect_equal("delay", crash(&life, &now_ms, 1), n < 15 ? UINT64_C(1) << n : 30000);
}

static void
sixty_seconds_of_life_start_the_count_anew(void **state)
{
	static const struct {
		uint64_t lived_ms, delay_ms; /* of the third server, and after it */
		unsigned restarts;
	} rows[] = {
		{ 0, 400, 3 },
		{ 59999, 400, 3 },
		{ 60000, 100, 1 },
		{ 86400000, 100, 1 },
	};
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 30000,
		.restart_limit = 3 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct lifecycle life;
		uint64_t now_ms = 12345678;

		lifecycle_init(&life, &policy);
		(void)lifecycle_step(&life, LIFE_EV_START, 0, now_ms);
		(void)crash(&life, &now_ms, 5);
		(void)crash(&life, &now_ms, 5);
		expect_equal("delay", crash(&life, &now_ms, rows[i].lived_ms), rows[i].delay_ms);
		expect_equal("restarts", life.restarts, rows[i].restarts);
	}
}

static void
after_so_many_restarts_the_last_code_is_the_end(void **state)
{
	for (unsigned limit = 1; limit <= 5; limit++) {
		const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
			.restart_limit = limit };
		struct lifecycle life;
		uint64_t now_ms = 1;

		(void)state;
		lifecycle_init(&life, &policy);
		(void)lifecycle_step(&life, LIFE_EV_START, 0, now_ms);
		for (unsigned n = 0; n < limit; n++)
			(void)crash(&life, &now_ms, 10);
		(void)lifecycle_step(&life, LIFE_EV_SPAWNED, 0, now_ms);
		(void)lifecycle_step(&life, LIFE_EV_EXITED, 7, now_ms + 1);
		assert_int_equal(life.state, LIFE_ENDING);
		assert_int_equal(life.exit_code, 7);
	}
}

/* ---- a server that answers no more ---- */

/* Whatever server.restart says, and whatever it ends with. */
static void
an_unhealthy_server_is_replaced_as_if_it_had_failed(void **state)
{
	static const enum life_restart restarts[] = { LIFE_RESTART_NO, LIFE_RESTART_ON_FAILURE,
		LIFE_RESTART_ALWAYS };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, 0, 0 },
		{ 4, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_UNHEALTHY, 0, LIFE_CLEARING, 0, 0 },
		{ 6, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 7, LIFE_EV_UNHEALTHY, 0, LIFE_BACKOFF, 0, 0 },
		{ 106, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 107, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 108, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 5108, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 5109, LIFE_EV_EXITED, 137, LIFE_CLEARING, CLEAR, 1000 },
		{ 5110, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 200 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(restarts); i++) {
		const struct life_policy policy = { .restart = restarts[i],
			.restart_delay_ms = 100,
			.restart_delay_max_ms = 30000,
			.restart_timeout_ms = 5000 };
		struct lifecycle life = play(&policy, beats, COUNT(beats));

		assert_int_equal(life.restarts, 2);
		assert_int_equal(life.exit_code, 137);
	}
}

static void
unhealthy_and_failed_servers_are_counted_together(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 30000,
		.restart_timeout_ms = 5000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 104, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 105, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 106, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 107, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 200 },
		{ 307, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 308, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 309, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 310, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 400 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).restarts, 3);
}

static void
only_a_restart_for_health_has_a_delay(void **state)
{
	static const struct life_policy policy = {
		.restart_delay_ms = 100, .restart_delay_max_ms = 30000, .restart_timeout_ms = 5000
	};
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, 0, 0 },
		{ 4, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 6, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 7, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 8, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 9, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 10, LIFE_EV_RESTART, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 11, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 12, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 13, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 14, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).restarts, 1);
}

static void
stop_wins_over_the_restart_of_an_unhealthy_server(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
		.drain_delay_ms = 1000,
		.stop_timeout_ms = 3000,
		.restart_timeout_ms = 5000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 3000 },
		{ 4, LIFE_EV_UNHEALTHY, 0, LIFE_STOPPING, 0, 0 },
		{ 5, LIFE_EV_EXITED, 143, LIFE_ENDING, SWEEP, 1000 },
		{ 6, LIFE_EV_UNHEALTHY, 0, LIFE_ENDING, 0, 0 },
		{ 7, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 143);
}

static void
a_server_that_drains_may_be_unhealthy(void **state)
{
	static const struct life_policy policy = { .drain_delay_ms = 2000 };
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_ARM, 2000 },
		{ 3, LIFE_EV_UNHEALTHY, 0, LIFE_DRAINING, 0, 0 },
		{ 2002, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_DISARM, 0 },
		{ 2003, LIFE_EV_UNHEALTHY, 0, LIFE_STOPPING, 0, 0 },
		{ 2004, LIFE_EV_EXITED, 0, LIFE_ENDING, SWEEP, 1000 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 0);
}

/* From RUNNING through UNHEALTHY, after lived_ms, to RUNNING again; the delay in between. */
static uint64_t
hang(struct lifecycle *life, uint64_t *now_ms, uint64_t lived_ms)
{
	struct life_step step;

	(void)lifecycle_step(life, LIFE_EV_SPAWNED, 0, *now_ms);
	*now_ms += lived_ms;
	(void)lifecycle_step(life, LIFE_EV_UNHEALTHY, 0, *now_ms);
	assert_int_equal(life->state, LIFE_RESTARTING);
	(void)lifecycle_step(life, LIFE_EV_EXITED, 0, *now_ms);
	step = lifecycle_step(life, LIFE_EV_GONE, 0, *now_ms);
	*now_ms += step.delay_ms;
	(void)lifecycle_step(life, LIFE_EV_DEADLINE, 0, *now_ms);
	assert_int_equal(life->state, LIFE_RUNNING);
	return step.delay_ms;
}

static void
an_unhealthy_server_that_lived_for_sixty_seconds_starts_the_count_anew(void **state)
{
	static const struct life_policy policy = { .restart_delay_ms = 100,
		.restart_delay_max_ms = 30000,
		.restart_limit = 3,
		.restart_timeout_ms = 5000 };
	struct lifecycle life;
	uint64_t now_ms = 12345678;

	(void)state;
	lifecycle_init(&life, &policy);
	(void)lifecycle_step(&life, LIFE_EV_START, 0, now_ms);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(hang(&life, &now_ms, 86400000), 100);
		assert_int_equal(hang(&life, &now_ms, 5), 200);
		assert_int_equal(hang(&life, &now_ms, 50000), 400);
		assert_int_equal(life.restarts, 3);
	}
}

/* The end of an unhealthy server that will not be replaced, and what initd ends with. */
static void
an_unhealthy_server_is_stopped_after_so_many_restarts(void **state)
{
	static const struct {
		int code, expected;
	} rows[] = { { 0, 1 }, { 1, 1 }, { 3, 3 }, { 143, 143 }, { 255, 255 } };

	(void)state;
	for (unsigned limit = 1; limit <= 3; limit++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			const struct life_policy policy = { .restart_delay_ms = 100,
				.restart_delay_max_ms = 1000,
				.restart_limit = limit,
				.drain_delay_ms = 9000,
				.stop_timeout_ms = 5000,
				.restart_timeout_ms = 5000 };
			struct lifecycle life;
			struct life_step step;
			uint64_t now_ms = 1;

			lifecycle_init(&life, &policy);
			(void)lifecycle_step(&life, LIFE_EV_START, 0, now_ms);
			for (unsigned n = 0; n < limit; n++)
				(void)hang(&life, &now_ms, 10);
			(void)lifecycle_step(&life, LIFE_EV_SPAWNED, 0, now_ms);
			step = lifecycle_step(&life, LIFE_EV_UNHEALTHY, 0, now_ms + 1);
			assert_int_equal(life.state, LIFE_STOPPING);
			assert_int_equal(step.actions, LIFE_SIGNAL | LIFE_ARM);
			assert_int_equal(step.delay_ms, 5000);
			step = lifecycle_step(&life, LIFE_EV_EXITED, rows[i].code, now_ms + 2);
			assert_int_equal(life.state, LIFE_ENDING);
			assert_int_equal(step.actions, SWEEP);
			(void)lifecycle_step(&life, LIFE_EV_GONE, 0, now_ms + 3);
			assert_int_equal(life.state, LIFE_DONE);
			assert_int_equal(life.exit_code, rows[i].expected);
		}
}

/* Nobody else would: initd itself decided to stop it. */
static void
an_unhealthy_server_that_does_not_stop_is_killed_even_without_a_stop_timeout(void **state)
{
	static const struct life_policy policy = {
		.restart = LIFE_RESTART_ON_FAILURE, .restart_limit = 1, .restart_timeout_ms = 5000
	};
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 4, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 5, LIFE_EV_UNHEALTHY, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 5005, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 5006, LIFE_EV_EXITED, 137, LIFE_ENDING, SWEEP, 1000 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 137);
}

/* ---- a tree that changes ---- */

/* A server that runs, to begin with. */
#define STARTED                                                                                    \
	{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },                                           \
	{                                                                                          \
		1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0                                          \
	}

static const struct life_policy watching = { .drain_delay_ms = 9000,
	.stop_timeout_ms = 3000,
	.restart_timeout_ms = 4000,
	.waits = true,
	.change_timeout_ms = 5000 };

static void
a_change_brings_a_new_server_once_the_tree_is_quiet(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, 0, 0 },
		{ 4, LIFE_EV_EXITED, 143, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_CHANGED, 0, LIFE_CLEARING, 0, 0 },
		{ 6, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 7, LIFE_EV_CHANGED, 0, LIFE_SETTLING, 0, 0 },
		{ 57, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 58, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
	};
	struct lifecycle life;

	(void)state;
	life = play(&watching, beats, COUNT(beats));
	assert_int_equal(life.restarts, 0);
	assert_false(life.unsettled);
}

static void
a_tree_that_is_quiet_before_the_server_has_ended_is_not_waited_for(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RESTARTING, 0, 0 },
		{ 60, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 61, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 62, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 70, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 80, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 90, LIFE_EV_QUIET, 0, LIFE_CLEARING, 0, 0 },
		{ 91, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&watching, beats, COUNT(beats));
}

static void
a_change_after_the_quiet_has_to_settle_too(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RESTARTING, 0, 0 },
		{ 53, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, 0, 0 },
		{ 60, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 103, LIFE_EV_QUIET, 0, LIFE_CLEARING, 0, 0 },
		{ 104, LIFE_EV_CHANGED, 0, LIFE_CLEARING, 0, 0 },
		{ 105, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 154, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&watching, beats, COUNT(beats));
}

static void
a_server_that_outlives_a_change_is_killed_with_what_it_left(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 5002, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 5003, LIFE_EV_EXITED, 137, LIFE_CLEARING, CLEAR, 1000 },
		{ 6003, LIFE_EV_DEADLINE, 0, LIFE_CLEARING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 6005, LIFE_EV_DEADLINE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 6050, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 6051, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 6052, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
	};

	(void)state;
	assert_false(play(&watching, beats, COUNT(beats)).killed);
}

static void
without_a_change_timeout_nobody_is_killed_for_a_change(void **state)
{
	static const struct life_policy policy = { .restart_timeout_ms = 4000, .waits = true };
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_DISARM, 0 },
		{ 90000, LIFE_EV_QUIET, 0, LIFE_RESTARTING, 0, 0 },
		{ 99000, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 99001, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&policy, beats, COUNT(beats));
}

static void
a_change_during_a_restart_that_was_asked_for_has_to_settle(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, 0, 0 },
		{ 4, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 53, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&watching, beats, COUNT(beats));
}

static void
a_server_that_fails_is_followed_by_the_next_change(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
		{ 4, LIFE_EV_UNHEALTHY, 0, LIFE_WAITING, 0, 0 },
		{ 500, LIFE_EV_CHANGED, 0, LIFE_SETTLING, 0, 0 },
		{ 550, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 551, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 552, LIFE_EV_EXITED, 3, LIFE_CLEARING, CLEAR, 1000 },
		{ 1552, LIFE_EV_DEADLINE, 0, LIFE_CLEARING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 1554, LIFE_EV_DEADLINE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
		{ 2000, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 2001, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&watching, beats, COUNT(beats)).exit_code, 3);
}

static void
who_waits_for_a_change_can_be_told_to_start(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
		{ 4, LIFE_EV_RESTART, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 5, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 6, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 7, LIFE_EV_RESTART, 0, LIFE_CLEARING, 0, 0 },
		{ 8, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 9, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		/* That was for once. */
		{ 10, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 11, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
	};

	(void)state;
	(void)play(&watching, beats, COUNT(beats));
}

static void
a_change_while_the_remains_of_a_failure_go_is_not_missed(void **state)
{
	static const struct beat settles[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_CLEARING, 0, 0 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 53, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 54, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 55, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 56, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
	};
	static const struct beat has_settled[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_CLEARING, 0, 0 },
		{ 53, LIFE_EV_QUIET, 0, LIFE_CLEARING, 0, 0 },
		{ 54, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 55, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 56, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 57, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
	};

	(void)state;
	(void)play(&watching, settles, COUNT(settles));
	(void)play(&watching, has_settled, COUNT(has_settled));
}

/* It was stopped; whatever it says about that is no failure. */
static void
a_server_that_ends_badly_for_a_change_is_replaced_all_the_same(void **state)
{
	static const int codes[] = { 0, 1, 137, 143, 255 };

	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++) {
		const struct beat beats[] = {
			STARTED,
			{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
			{ 52, LIFE_EV_QUIET, 0, LIFE_RESTARTING, 0, 0 },
			{ 53, LIFE_EV_EXITED, codes[i], LIFE_CLEARING, CLEAR, 1000 },
			{ 54, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		};

		(void)play(&watching, beats, COUNT(beats));
	}
}

static void
which_ends_are_waited_after(void **state)
{
	static const struct {
		const char *name;
		enum life_restart restart;
		unsigned limit, restarts; /* how many there have been */
		int code;
		bool waits;
		enum life_state
		    expected; /* when all that it left is gone, or at once if it is the end */
	} rows[] = {
		{ "a failure", LIFE_RESTART_NO, 0, 0, 1, true, LIFE_WAITING },
		{ "a signal", LIFE_RESTART_NO, 0, 0, 139, true, LIFE_WAITING },
		{ "success", LIFE_RESTART_NO, 0, 0, 0, true, LIFE_ENDING },
		{ "a failure, not watching", LIFE_RESTART_NO, 0, 0, 1, false, LIFE_ENDING },
		{ "success, not watching", LIFE_RESTART_NO, 0, 0, 0, false, LIFE_ENDING },
		{ "the policy comes first", LIFE_RESTART_ON_FAILURE, 3, 0, 1, true, LIFE_BACKOFF },
		{ "the policy for the last time", LIFE_RESTART_ON_FAILURE, 3, 2, 1, true,
		    LIFE_BACKOFF },
		{ "the policy gives up", LIFE_RESTART_ON_FAILURE, 3, 3, 1, true, LIFE_WAITING },
		{ "the policy does not want success", LIFE_RESTART_ON_FAILURE, 3, 3, 0, true,
		    LIFE_ENDING },
		{ "the policy gives up, not watching", LIFE_RESTART_ON_FAILURE, 3, 3, 1, false,
		    LIFE_ENDING },
		{ "always", LIFE_RESTART_ALWAYS, 3, 2, 0, true, LIFE_BACKOFF },
		{ "always gives up", LIFE_RESTART_ALWAYS, 3, 3, 1, true, LIFE_WAITING },
		{ "always gives up after success", LIFE_RESTART_ALWAYS, 3, 3, 0, true,
		    LIFE_ENDING },
		{ "always gives up, not watching", LIFE_RESTART_ALWAYS, 3, 3, 1, false,
		    LIFE_ENDING },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct life_policy policy = { .restart = rows[i].restart,
			.restart_limit = rows[i].limit,
			.restart_delay_ms = 100,
			.restart_delay_max_ms = 100,
			.waits = rows[i].waits };
		struct lifecycle life;

		lifecycle_init(&life, &policy);
		(void)lifecycle_step(&life, LIFE_EV_START, 0, 0);
		(void)lifecycle_step(&life, LIFE_EV_SPAWNED, 0, 0);
		life.restarts = rows[i].restarts;
		(void)lifecycle_step(&life, LIFE_EV_EXITED, rows[i].code, 1);
		expect_equal(rows[i].name, life.exit_code, rows[i].code);
		if (rows[i].expected != LIFE_ENDING) {
			expect_equal(rows[i].name, life.state, LIFE_CLEARING);
			(void)lifecycle_step(&life, LIFE_EV_GONE, 0, 2);
		}
		expect_equal(rows[i].name, life.state, rows[i].expected);
	}
}

static void
a_command_that_never_worked_ends_even_when_watching(void **state)
{
	static const struct beat beats[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 1, LIFE_EV_FAILED, 126, LIFE_ENDING, SWEEP, 1000 },
		{ 2, LIFE_EV_CHANGED, 0, LIFE_ENDING, 0, 0 },
		{ 3, LIFE_EV_QUIET, 0, LIFE_ENDING, 0, 0 },
		{ 4, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&watching, beats, COUNT(beats)).exit_code, 126);
}

/* The change may have broken it for a moment: a venv that is synced, a script saved without its x. */
static void
a_command_that_worked_once_is_waited_for(void **state)
{
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 53, LIFE_EV_FAILED, 126, LIFE_CLEARING, CLEAR, 1000 },
		{ 54, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
		{ 60, LIFE_EV_CHANGED, 0, LIFE_SETTLING, 0, 0 },
		{ 110, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 111, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
	};

	(void)state;
	assert_int_equal(play(&watching, beats, COUNT(beats)).exit_code, 126);
}

static void
a_change_during_the_back_off_starts_with_a_fresh_slate(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 30000,
		.restart_limit = 2,
		.waits = true };
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 104, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 105, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 106, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 200 },
		{ 107, LIFE_EV_CHANGED, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 157, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 158, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 159, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 160, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).restarts, 1);
}

/* Else it would give up at the first failure from then on. */
static void
who_waits_for_a_change_has_a_fresh_slate(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 30000,
		.restart_limit = 1,
		.waits = true };
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 104, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 105, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 106, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
		{ 200, LIFE_EV_RESTART, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 201, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 202, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 203, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_ARM, 100 },
	};

	(void)state;
	(void)play(&policy, beats, COUNT(beats));
}

static void
a_change_does_not_wait_for_a_back_off(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_delay_ms = 30000,
		.restart_delay_max_ms = 30000,
		.restart_timeout_ms = 4000,
		.waits = true,
		.change_timeout_ms = 5000 };
	static const struct beat after_a_failure[] = {
		STARTED,
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, CLEAR, 1000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_CLEARING, 0, 0 },
		{ 53, LIFE_EV_QUIET, 0, LIFE_CLEARING, 0, 0 },
		{ 54, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};
	static const struct beat after_a_hang[] = {
		STARTED,
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, 0, 0 },
		{ 53, LIFE_EV_QUIET, 0, LIFE_RESTARTING, 0, 0 },
		{ 54, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 55, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&policy, after_a_failure, COUNT(after_a_failure));
	(void)play(&policy, after_a_hang, COUNT(after_a_hang));
}

static void
an_unhealthy_server_that_is_not_replaced_any_more_is_waited_after(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_NO,
		.restart_limit = 1,
		.stop_timeout_ms = 3000,
		.restart_timeout_ms = 4000,
		.waits = true,
		.change_timeout_ms = 5000 };
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 5, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 6, LIFE_EV_UNHEALTHY, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 7, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 8, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_DISARM, 0 },
		{ 9, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, EXIT_CODE_UNHEALTHY);
}

/* It was about to be left alone for good; new code may not hang. */
static void
a_change_while_an_unhealthy_server_is_stopped_for_good_replaces_it(void **state)
{
	static const struct life_policy policy = { .restart_limit = 1,
		.restart_timeout_ms = 4000,
		.waits = true,
		.change_timeout_ms = 5000 };
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 5, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 6, LIFE_EV_UNHEALTHY, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 7, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, 0, 0 },
		{ 57, LIFE_EV_QUIET, 0, LIFE_RESTARTING, 0, 0 },
		{ 4006, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_KILL | LIFE_ARM, 1000 },
		{ 4007, LIFE_EV_EXITED, 137, LIFE_CLEARING, CLEAR, 1000 },
		{ 4008, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).restarts, 0);
}

static void
a_stop_while_an_unhealthy_server_is_stopped_for_good_is_the_end(void **state)
{
	static const struct life_policy policy = { .restart_limit = 1,
		.restart_timeout_ms = 4000,
		.waits = true,
		.change_timeout_ms = 5000 };
	static const struct beat beats[] = {
		STARTED,
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 5, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 6, LIFE_EV_UNHEALTHY, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 4000 },
		{ 7, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL, 0 },
		{ 8, LIFE_EV_CHANGED, 0, LIFE_STOPPING, 0, 0 },
		{ 9, LIFE_EV_EXITED, 143, LIFE_ENDING, SWEEP, 1000 },
		{ 10, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
	};

	(void)state;
	assert_int_equal(play(&policy, beats, COUNT(beats)).exit_code, 143);
}

static void
a_change_does_not_come_between_initd_and_its_end(void **state)
{
	static const struct beat while_it_drains[] = {
		STARTED,
		{ 2, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_ARM, 9000 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_DRAINING, 0, 0 },
		{ 4, LIFE_EV_QUIET, 0, LIFE_DRAINING, 0, 0 },
		{ 9002, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 3000 },
		{ 9003, LIFE_EV_CHANGED, 0, LIFE_STOPPING, 0, 0 },
		{ 9004, LIFE_EV_EXITED, 7, LIFE_ENDING, SWEEP, 1000 },
		{ 9005, LIFE_EV_CHANGED, 0, LIFE_ENDING, 0, 0 },
		{ 9006, LIFE_EV_QUIET, 0, LIFE_ENDING, 0, 0 },
		{ 9007, LIFE_EV_GONE, 0, LIFE_DONE, QUIT, 0 },
		{ 9008, LIFE_EV_CHANGED, 0, LIFE_DONE, 0, 0 },
		{ 9009, LIFE_EV_QUIET, 0, LIFE_DONE, 0, 0 },
	};
	static const struct beat after_a_change[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_SIGNAL | LIFE_ARM, 3000 },
		{ 4, LIFE_EV_QUIET, 0, LIFE_STOPPING, 0, 0 },
		{ 5, LIFE_EV_EXITED, 7, LIFE_ENDING, SWEEP, 1000 },
	};
	static const struct beat while_it_clears[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_EXITED, 7, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 5, LIFE_EV_QUIET, 0, LIFE_ENDING, 0, 0 },
	};
	static const struct beat while_it_settles[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_EXITED, 7, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 5, LIFE_EV_STOP, 0, LIFE_ENDING, SWEEP, 1000 },
		{ 6, LIFE_EV_QUIET, 0, LIFE_ENDING, 0, 0 },
	};

	(void)state;
	assert_int_equal(play(&watching, while_it_drains, COUNT(while_it_drains)).exit_code, 7);
	assert_int_equal(play(&watching, after_a_change, COUNT(after_a_change)).exit_code, 7);
	assert_int_equal(play(&watching, while_it_clears, COUNT(while_it_clears)).exit_code, 7);
	assert_int_equal(play(&watching, while_it_settles, COUNT(while_it_settles)).exit_code, 7);
}

/* Who says so knows that nothing more comes: Compose does, when it has copied everything. */
static void
a_restart_that_is_asked_for_does_not_wait_until_the_tree_is_quiet(void **state)
{
	static const struct beat while_it_stops[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_RESTART, 0, LIFE_RESTARTING, 0, 0 },
		{ 4, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 5, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 6, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, 0, 0 },
	};
	static const struct beat while_it_clears[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_RESTART, 0, LIFE_CLEARING, 0, 0 },
		{ 5, LIFE_EV_GONE, 0, LIFE_RUNNING, SPAWN, 0 },
	};
	static const struct beat while_it_settles[] = {
		STARTED,
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 5, LIFE_EV_RESTART, 0, LIFE_RUNNING, SPAWN, 0 },
		{ 6, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, 0, 0 },
		/* More came after all. */
		{ 7, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_SIGNAL | LIFE_ARM, 5000 },
		{ 8, LIFE_EV_EXITED, 0, LIFE_CLEARING, CLEAR, 1000 },
		{ 9, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_DISARM, 0 },
		{ 57, LIFE_EV_QUIET, 0, LIFE_RUNNING, SPAWN, 0 },
	};

	(void)state;
	(void)play(&watching, while_it_stops, COUNT(while_it_stops));
	(void)play(&watching, while_it_clears, COUNT(while_it_clears));
	(void)play(&watching, while_it_settles, COUNT(while_it_settles));
}

/* ---- every state that can be reached ---- */

/* What the world around a lifecycle is in: is there a server, will a deadline come? */
enum server {
	SERVER_NONE,
	SERVER_ASKED, /* for an answer to LIFE_SPAWN */
	SERVER_ALIVE,
};

struct world {
	struct lifecycle life;
	enum server server;
	bool armed;
	bool quit;
	bool moving;         /* CHANGED was said, QUIET not yet */
	bool unsettled;      /* the same, and nobody has asked for a restart since */
	bool unserved;       /* CHANGED was said, and no server was started since */
	uint64_t timeout_ms; /* what the policy gives the server to stop; 0: none */
};

/* An event as it can happen. */
struct happening {
	enum life_event event;
	int code;
	uint64_t lived_ms; /* since the server was started */
};

static const struct happening happenings[] = {
	{ LIFE_EV_START, 0, 0 },
	{ LIFE_EV_SPAWNED, 0, 0 },
	{ LIFE_EV_REFUSED, EXIT_CODE_REFUSED, 0 },
	{ LIFE_EV_FAILED, EXIT_CODE_NOT_FOUND, 0 },
	{ LIFE_EV_EXITED, 0, 1 },
	{ LIFE_EV_EXITED, 0, LIFE_STABLE_MS },
	{ LIFE_EV_EXITED, 255, 1 },
	{ LIFE_EV_EXITED, 255, LIFE_STABLE_MS },
	{ LIFE_EV_GONE, 0, 1 },
	{ LIFE_EV_STOP, 0, 1 },
	{ LIFE_EV_RESTART, 0, 1 },
	{ LIFE_EV_UNHEALTHY, 0, 1 },
	{ LIFE_EV_UNHEALTHY, 0, LIFE_STABLE_MS },
	{ LIFE_EV_CHANGED, 0, 1 },
	{ LIFE_EV_CHANGED, 0, LIFE_STABLE_MS },
	{ LIFE_EV_QUIET, 0, 1 },
	{ LIFE_EV_DEADLINE, 0, 1 },
};

/* Can it happen in this world? */
static bool
can_happen(const struct world *world, enum life_event event)
{
	enum life_state state = world->life.state;

	if (world->server == SERVER_ASKED || event == LIFE_EV_SPAWNED || event == LIFE_EV_REFUSED ||
	    event == LIFE_EV_FAILED)
		return world->server == SERVER_ASKED &&
		       (event == LIFE_EV_SPAWNED || event == LIFE_EV_REFUSED ||
			   event == LIFE_EV_FAILED);
	if (state == LIFE_NEW || event == LIFE_EV_START)
		return state == LIFE_NEW && event == LIFE_EV_START;
	if (event == LIFE_EV_EXITED)
		return world->server == SERVER_ALIVE;
	if (event == LIFE_EV_UNHEALTHY)
		return state == LIFE_RUNNING;
	if (event == LIFE_EV_GONE)
		return world->server == SERVER_NONE &&
		       (state == LIFE_CLEARING || state == LIFE_ENDING);
	if (event == LIFE_EV_QUIET)
		return world->moving;
	if (event == LIFE_EV_DEADLINE)
		return world->armed;
	return true;
}

/* Will initd end, whatever else happens? A server that hung may still be replaced by new code. */
static bool
is_ending(const struct lifecycle *life)
{
	return life->state == LIFE_DRAINING || (life->state == LIFE_STOPPING && !life->unhealthy) ||
	       life->state == LIFE_ENDING || life->state == LIFE_DONE;
}

/* The same as any other that behaves the same: times count from 0, counters as far as they matter. */
static void
normalise(struct world *world)
{
	const unsigned saturated = 4; /* restarts take every policy below to its longest delay */
	struct lifecycle *life = &world->life;

	life->started_ms = 0;
	life->timeout_ms = 0; /* what it was, nobody asks but the log */
	if (life->policy.restart_limit == 0 && life->restarts > saturated)
		life->restarts = saturated;
	if (world->server == SERVER_NONE)
		world->timeout_ms = 0;
	if (is_ending(life))
		world->moving = world->unsettled = world->unserved = false;
	if (life->state == LIFE_ENDING || life->state == LIFE_DONE) {
		life->restarts = life->refusals = 0;
		life->delay_ms = 0;
		life->unsettled = life->failed = life->killed = life->unhealthy = false;
	}
}

static bool
same(const struct world *a, const struct world *b)
{
	const struct lifecycle *x = &a->life, *y = &b->life;

	return a->server == b->server && a->armed == b->armed && a->quit == b->quit &&
	       a->timeout_ms == b->timeout_ms && a->moving == b->moving &&
	       a->unsettled == b->unsettled && a->unserved == b->unserved &&
	       x->unsettled == y->unsettled && x->failed == y->failed && x->state == y->state &&
	       x->exit_code == y->exit_code && x->started == y->started && x->killed == y->killed &&
	       x->unhealthy == y->unhealthy && x->restarts == y->restarts &&
	       x->refusals == y->refusals && x->delay_ms == y->delay_ms;
}

static void
check_actions(const struct world *before, enum life_event event, const struct world *after,
    struct life_step step)
{
	unsigned actions = step.actions;
	bool alive = after->server == SERVER_ALIVE;
	char row[128];

	(void)snprintf(row, sizeof row, "%s -> %s by %s", life_state_name(before->life.state),
	    life_state_name(after->life.state), event_names[event]);
	expect_equal(row, actions & LIFE_SPAWN && alive, false);
	expect_equal(row, actions & LIFE_SPAWN && after->life.state != LIFE_RUNNING, false);
	expect_equal(row, actions & LIFE_SPAWN && after->unsettled, false);
	expect_equal(row, actions & LIFE_SIGNAL && !alive, false);
	expect_equal(row, actions & LIFE_CLEAR && alive, false);
	expect_equal(row, actions & LIFE_ARM && actions & LIFE_DISARM, false);
	expect_equal(row, !!(actions & LIFE_ARM), step.delay_ms > 0);
	expect_equal(row, !!(actions & LIFE_QUIT),
	    after->life.state == LIFE_DONE && before->life.state != LIFE_DONE);
	if (actions & LIFE_QUIT)
		expect_equal(row, after->life.exit_code < 0 || after->life.exit_code > 255, false);
	if (before->quit)
		expect_equal(row, actions, 0);
	if (after->life.state == LIFE_RUNNING)
		expect_equal(row, after->life.unhealthy, false);
	if (before->life.state == LIFE_RUNNING && event == LIFE_EV_UNHEALTHY)
		expect_equal(row, after->life.unhealthy, true);
	if (before->life.state == LIFE_STOPPING && before->life.unhealthy &&
	    event == LIFE_EV_EXITED)
		expect_equal(row, after->life.exit_code == 0, false);
}

/* Is it the kernel's turn, because the policy says so or nothing is left to be done? */
static bool
waits_for_exit(const struct world *world)
{
	const struct lifecycle *life = &world->life;

	if (world->server != SERVER_ALIVE)
		return false;
	if (life->state == LIFE_STOPPING)
		return !life->killed && world->timeout_ms == 0;
	return life->state == LIFE_RESTARTING && (life->killed || world->timeout_ms == 0);
}

/* Something will happen even if nobody asks for anything: a server ends, a deadline or the quiet comes. */
static void
check_progress(const struct world *world)
{
	enum life_state state = world->life.state;

	if (!is_ending(&world->life))
		expect_equal(life_state_name(state), world->life.unsettled, world->unsettled);
	if (state == LIFE_NEW || state == LIFE_RUNNING || state == LIFE_DONE) {
		expect_equal(life_state_name(state), world->armed, false);
	} else if (state == LIFE_SETTLING) {
		expect_equal(life_state_name(state), world->armed, false);
		expect_equal(life_state_name(state), world->unsettled, true);
	} else if (state == LIFE_WAITING) {
		/* Unless it waits for what has happened already. */
		expect_equal(life_state_name(state), world->armed, false);
		expect_equal(life_state_name(state), world->unsettled || world->unserved, false);
		expect_equal(life_state_name(state), world->life.policy.waits, true);
		expect_equal(life_state_name(state), world->life.exit_code == 0, false);
	} else {
		expect_equal(life_state_name(state), world->armed || waits_for_exit(world), true);
	}
	if (state == LIFE_RUNNING)
		expect_equal(life_state_name(state), world->unserved, false);
}

/* What the server is given to stop for this event. */
static uint64_t
timeout_of(const struct world *world, enum life_event event)
{
	const struct life_policy *policy = &world->life.policy;

	if (event == LIFE_EV_STOP)
		return policy->stop_timeout_ms;
	if (world->life.state != LIFE_RUNNING)
		return world->timeout_ms; /* it was asked before */
	if (event == LIFE_EV_CHANGED)
		return policy->change_timeout_ms;
	return event == LIFE_EV_RESTART || event == LIFE_EV_UNHEALTHY ? policy->restart_timeout_ms
								      : 0;
}

/* Let it happen and do what the step says. */
static struct world
follow(const struct world *before, const struct happening *what)
{
	struct world after = *before;
	struct life_step step;

	if (what->event == LIFE_EV_EXITED || what->event == LIFE_EV_REFUSED ||
	    what->event == LIFE_EV_FAILED)
		after.server = SERVER_NONE;
	if (what->event == LIFE_EV_SPAWNED)
		after.server = SERVER_ALIVE;
	if (what->event == LIFE_EV_DEADLINE)
		after.armed = false;
	after.timeout_ms = timeout_of(before, what->event);
	if (what->event == LIFE_EV_CHANGED)
		after.moving = after.unsettled = after.unserved = true;
	if (what->event == LIFE_EV_QUIET)
		after.moving = after.unsettled = false;
	if (what->event == LIFE_EV_RESTART)
		after.unsettled = false;
	step = lifecycle_step(&after.life, what->event, what->code, what->lived_ms);
	check_actions(before, what->event, &after, step);
	if (step.actions & LIFE_ARM)
		after.armed = true;
	if (step.actions & LIFE_DISARM)
		after.armed = false;
	if (step.actions & LIFE_SPAWN) {
		after.server = SERVER_ASKED;
		after.unserved = false;
	}
	if (step.actions & LIFE_QUIT)
		after.quit = true;
	normalise(&after);
	check_progress(&after);
	return after;
}

/* Nobody at an editor keeps a container from ending. */
static void
check_changes_mean_nothing(const struct world *world)
{
	static const enum life_event events[] = { LIFE_EV_CHANGED, LIFE_EV_QUIET };

	for (size_t i = 0; i < COUNT(events); i++) {
		struct lifecycle life = world->life;
		struct life_step step = lifecycle_step(&life, events[i], 0, 1);

		expect_equal(event_names[events[i]], life.state, world->life.state);
		expect_equal(event_names[events[i]], step.actions, 0);
	}
}

/* What the kernel and the clock do by themselves leads to the end, in whatever order they do it. */
static void
check_end(const struct world *world, unsigned steps_left)
{
	static const enum life_event by_themselves[] = { LIFE_EV_EXITED, LIFE_EV_GONE,
		LIFE_EV_DEADLINE };
	bool happened = false;

	check_changes_mean_nothing(world);
	if (world->life.state == LIFE_DONE)
		return;
	expect_equal(life_state_name(world->life.state), steps_left > 0, true);
	for (size_t i = 0; i < COUNT(by_themselves); i++) {
		const struct happening what = { by_themselves[i], 1, 1 };
		struct world after;

		if (!can_happen(world, what.event))
			continue;
		happened = true;
		after = follow(world, &what);
		expect_equal("spawned after STOP", after.server == SERVER_ASKED, false);
		check_end(&after, steps_left - 1);
	}
	expect_equal(life_state_name(world->life.state), happened, true);
}

static void
check_stop(const struct world *world)
{
	static const struct happening stop = { LIFE_EV_STOP, 0, 1 };
	struct world after;

	if (!can_happen(world, LIFE_EV_STOP))
		return;
	after = follow(world, &stop);
	check_end(&after, 5);
}

/*
 * What the kernel and the clock do by themselves leads to a server that is younger than the change,
 * in whatever order they do it: at once, not after a back-off.
 */
static void
check_start(const struct world *world, unsigned steps_left)
{
	static const enum life_event by_themselves[] = { LIFE_EV_EXITED, LIFE_EV_GONE,
		LIFE_EV_DEADLINE };
	enum life_state state = world->life.state;
	bool happened = false;

	if (!world->unserved)
		return;
	expect_equal(life_state_name(state), steps_left > 0, true);
	expect_equal(
	    life_state_name(state), state == LIFE_BACKOFF || is_ending(&world->life), false);
	for (size_t i = 0; i < COUNT(by_themselves); i++) {
		const struct happening what = { by_themselves[i], 1, 1 };
		struct world after;

		if (!can_happen(world, what.event))
			continue;
		happened = true;
		after = follow(world, &what);
		check_start(&after, steps_left - 1);
	}
	expect_equal(life_state_name(state), happened, true);
}

/* A change in whatever phase, with the quiet in whatever phase after it, is not lost. */
static void
check_change(const struct world *world)
{
	static const struct happening changed = { LIFE_EV_CHANGED, 0, 1 };
	static const struct happening quiet = { LIFE_EV_QUIET, 0, 1 };
	struct world after;

	if (is_ending(&world->life))
		return;
	if (world->unserved) {
		after = *world;
		if (world->unsettled)
			after = follow(world, &quiet);
		check_start(&after, 6);
	}
	if (!can_happen(world, LIFE_EV_CHANGED))
		return;
	after = follow(world, &changed);
	expect_equal(life_state_name(world->life.state), after.life.unsettled, true);
	after = follow(&after, &quiet);
	check_start(&after, 6);
}

/* Would a state act on this event, however impossible it is now? */
static bool
has_meaning(enum life_state state, enum life_event event)
{
	if (event == LIFE_EV_DEADLINE)
		return true;
	if (state == LIFE_RUNNING)
		return event != LIFE_EV_START && event != LIFE_EV_GONE;
	return state == LIFE_ENDING && event == LIFE_EV_GONE;
}

static void
check_stray_event(const struct world *world, const struct happening *what)
{
	struct world after = *world;
	struct life_step step;

	if (has_meaning(world->life.state, what->event))
		return;
	step = lifecycle_step(&after.life, what->event, what->code, what->lived_ms);
	expect_equal(event_names[what->event], step.actions, 0);
	expect_equal(event_names[what->event], same(world, &after), true);
}

enum {
	WORLDS_MAX = 8192,
};

struct worlds {
	struct world all[WORLDS_MAX];
	size_t n;
	bool seen[LIFE_N_STATES];
};

static void
add_world(struct worlds *worlds, const struct world *world)
{
	for (size_t i = 0; i < worlds->n; i++)
		if (same(&worlds->all[i], world))
			return;
	assert_true(worlds->n < WORLDS_MAX);
	worlds->all[worlds->n++] = *world;
	worlds->seen[world->life.state] = true;
}

/* Breadth first: the list is its own queue. */
static void
explore(const struct life_policy *policy, struct worlds *worlds)
{
	struct world first = { .server = SERVER_NONE };

	lifecycle_init(&first.life, policy);
	*worlds = (struct worlds){ .n = 0 };
	add_world(worlds, &first);
	for (size_t i = 0; i < worlds->n; i++) {
		const struct world *world = &worlds->all[i];

		check_stop(world);
		check_change(world);
		for (size_t h = 0; h < COUNT(happenings); h++) {
			struct world after;

			if (!can_happen(world, happenings[h].event)) {
				check_stray_event(world, &happenings[h]);
				continue;
			}
			after = follow(world, &happenings[h]);
			add_world(worlds, &after);
		}
	}
}

static void
every_state_that_can_be_reached_keeps_the_rules(void **state)
{
	static const struct life_policy policies[] = {
		{ .restart = LIFE_RESTART_NO },
		{ .restart = LIFE_RESTART_NO, .stop_timeout_ms = 10, .restart_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_NO, .drain_delay_ms = 10, .restart_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_ALWAYS },
		{ .restart = LIFE_RESTART_ALWAYS, .restart_limit = 2 },
		{ .restart = LIFE_RESTART_ALWAYS,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 80,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_ON_FAILURE,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 80,
		    .restart_limit = 3,
		    .drain_delay_ms = 10,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_ON_FAILURE,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 20,
		    .drain_delay_ms = 10,
		    .restart_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_NO, .waits = true },
		{ .restart = LIFE_RESTART_NO, .waits = true, .change_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_NO,
		    .drain_delay_ms = 10,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 10,
		    .waits = true,
		    .change_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_NO,
		    .restart_limit = 1,
		    .restart_timeout_ms = 10,
		    .waits = true,
		    .change_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_ON_FAILURE,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 80,
		    .restart_limit = 2,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 10,
		    .waits = true,
		    .change_timeout_ms = 10 },
		{ .restart = LIFE_RESTART_ALWAYS,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 80,
		    .drain_delay_ms = 10,
		    .waits = true },
	};
	static struct worlds worlds;
	bool seen[LIFE_N_STATES] = { false };

	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		explore(&policies[i], &worlds);
		for (enum life_state s = 0; s < LIFE_N_STATES; s++)
			seen[s] = seen[s] || worlds.seen[s];
	}
	for (enum life_state s = 0; s < LIFE_N_STATES; s++)
		expect_equal(life_state_name(s), seen[s], true);
}

/* The driver does the actions of a step in the order of their values. */
static void
what_is_left_is_signalled_before_the_next_server_is_started(void **state)
{
	(void)state;
	assert_true(LIFE_KILL < LIFE_SPAWN);
	assert_true(LIFE_CLEAR < LIFE_SPAWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_answers_each_event_as_the_table_says),
		cmocka_unit_test(every_state_has_a_name_of_its_own),
		cmocka_unit_test(without_options_the_first_end_is_the_last),
		cmocka_unit_test(without_a_stop_timeout_nobody_is_killed),
		cmocka_unit_test(a_drain_comes_before_the_signal_and_without_a_timeout_disarms),
		cmocka_unit_test(a_second_stop_ends_the_drain_and_a_third_is_passed_on),
		cmocka_unit_test(a_server_that_ends_while_it_drains_is_not_started_again),
		cmocka_unit_test(a_server_that_outlives_stop_timeout_is_killed),
		cmocka_unit_test(a_server_that_outlives_sigkill_is_left_with_137),
		cmocka_unit_test(a_restart_that_was_asked_for_happens_at_once_and_is_not_counted),
		cmocka_unit_test(stop_wins_over_a_restart_in_progress),
		cmocka_unit_test(stop_after_the_sigkill_of_a_restart_waits_one_more_second),
		cmocka_unit_test(stop_during_the_back_off_ends_with_the_last_code),
		cmocka_unit_test(stop_while_the_remains_are_cleared_ends_with_the_last_code),
		cmocka_unit_test(restart_during_the_back_off_does_not_wait),
		cmocka_unit_test(what_is_left_of_a_group_is_killed_before_the_next_server),
		cmocka_unit_test(a_command_that_never_worked_is_not_tried_again),
		cmocka_unit_test(a_command_that_worked_once_is_tried_again),
		cmocka_unit_test(refusals_back_off_five_times_and_end_with_71),
		cmocka_unit_test(a_server_that_came_up_forgives_all_refusals),
		cmocka_unit_test(a_policy_says_which_ends_are_followed_by_a_start),
		cmocka_unit_test(the_back_off_doubles_up_to_its_maximum),
		cmocka_unit_test(the_back_off_stays_at_its_maximum_for_ever),
		cmocka_unit_test(sixty_seconds_of_life_start_the_count_anew),
		cmocka_unit_test(after_so_many_restarts_the_last_code_is_the_end),
		cmocka_unit_test(an_unhealthy_server_is_replaced_as_if_it_had_failed),
		cmocka_unit_test(unhealthy_and_failed_servers_are_counted_together),
		cmocka_unit_test(only_a_restart_for_health_has_a_delay),
		cmocka_unit_test(stop_wins_over_the_restart_of_an_unhealthy_server),
		cmocka_unit_test(a_server_that_drains_may_be_unhealthy),
		cmocka_unit_test(
		    an_unhealthy_server_that_lived_for_sixty_seconds_starts_the_count_anew),
		cmocka_unit_test(an_unhealthy_server_is_stopped_after_so_many_restarts),
		cmocka_unit_test(
		    an_unhealthy_server_that_does_not_stop_is_killed_even_without_a_stop_timeout),
		cmocka_unit_test(a_change_brings_a_new_server_once_the_tree_is_quiet),
		cmocka_unit_test(
		    a_tree_that_is_quiet_before_the_server_has_ended_is_not_waited_for),
		cmocka_unit_test(a_change_after_the_quiet_has_to_settle_too),
		cmocka_unit_test(a_server_that_outlives_a_change_is_killed_with_what_it_left),
		cmocka_unit_test(without_a_change_timeout_nobody_is_killed_for_a_change),
		cmocka_unit_test(a_change_during_a_restart_that_was_asked_for_has_to_settle),
		cmocka_unit_test(a_server_that_fails_is_followed_by_the_next_change),
		cmocka_unit_test(who_waits_for_a_change_can_be_told_to_start),
		cmocka_unit_test(a_change_while_the_remains_of_a_failure_go_is_not_missed),
		cmocka_unit_test(a_server_that_ends_badly_for_a_change_is_replaced_all_the_same),
		cmocka_unit_test(which_ends_are_waited_after),
		cmocka_unit_test(a_command_that_never_worked_ends_even_when_watching),
		cmocka_unit_test(a_command_that_worked_once_is_waited_for),
		cmocka_unit_test(a_change_during_the_back_off_starts_with_a_fresh_slate),
		cmocka_unit_test(who_waits_for_a_change_has_a_fresh_slate),
		cmocka_unit_test(a_change_does_not_wait_for_a_back_off),
		cmocka_unit_test(an_unhealthy_server_that_is_not_replaced_any_more_is_waited_after),
		cmocka_unit_test(
		    a_change_while_an_unhealthy_server_is_stopped_for_good_replaces_it),
		cmocka_unit_test(a_stop_while_an_unhealthy_server_is_stopped_for_good_is_the_end),
		cmocka_unit_test(a_change_does_not_come_between_initd_and_its_end),
		cmocka_unit_test(a_restart_that_is_asked_for_does_not_wait_until_the_tree_is_quiet),
		cmocka_unit_test(every_state_that_can_be_reached_keeps_the_rules),
		cmocka_unit_test(what_is_left_is_signalled_before_the_next_server_is_started),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
