/* SPDX-License-Identifier: MIT */
/* The life of the server: the table, its stories, and every state that can be reached. */
#include "lifecycle.h"

#include "exit_code.h"
#include "unit.h"

static const char *const event_names[LIFE_N_EVENTS] = { "START", "SPAWNED", "REFUSED", "FAILED",
	"EXITED", "GONE", "STOP", "RESTART", "UNHEALTHY", "CHANGED", "QUIET", "DEADLINE",
	"NEXT_READY", "NEXT_ENDED", "OLD_EXITED", "OLD_GONE", "OLD_DEADLINE" };

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

	/* With a successor. */
	{ LIFE_OVERLAPPING, LIFE_EV_EXITED, LIFE_RUNNING,
	    LIFE_PROMOTE | LIFE_DISARM | LIFE_OLD_CLEAR | LIFE_OLD_ARM, 0 },
	{ LIFE_OVERLAPPING, LIFE_EV_STOP, LIFE_DRAINING,
	    LIFE_DISMISS | LIFE_OLD_SIGNAL | LIFE_OLD_ARM | LIFE_ARM, 4000 },
	{ LIFE_OVERLAPPING, LIFE_EV_RESTART, LIFE_OVERLAPPING,
	    LIFE_DISMISS | LIFE_OLD_SIGNAL | LIFE_OLD_ARM | LIFE_DISARM, 0 },
	{ LIFE_OVERLAPPING, LIFE_EV_CHANGED, LIFE_OVERLAPPING,
	    LIFE_DISMISS | LIFE_OLD_SIGNAL | LIFE_OLD_ARM | LIFE_DISARM, 0 },
	{ LIFE_OVERLAPPING, LIFE_EV_DEADLINE, LIFE_RUNNING,
	    LIFE_DISMISS | LIFE_OLD_SIGNAL | LIFE_OLD_ARM, 0 },
	{ LIFE_OVERLAPPING, LIFE_EV_NEXT_READY, LIFE_RUNNING,
	    LIFE_PROMOTE | LIFE_DISARM | LIFE_OLD_ARM, 0 },
	{ LIFE_OVERLAPPING, LIFE_EV_NEXT_ENDED, LIFE_RUNNING,
	    LIFE_DISMISS | LIFE_DISARM | LIFE_OLD_CLEAR | LIFE_OLD_ARM, 0 },

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
			life.next = from == LIFE_OVERLAPPING;
			life.timeout_ms = everything.restart_timeout_ms;
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

/* ---- two servers ---- */

/* What happens, and what must come of it for both. */
struct scene {
	uint64_t at_ms;
	enum life_event event;
	int code;
	enum life_state state;
	enum life_old old;
	unsigned actions;
	uint64_t delay_ms, old_delay_ms;
};

static void
go_on(struct lifecycle *life, const struct scene *scenes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct scene *scene = &scenes[i];
		struct life_step step =
		    lifecycle_step(life, scene->event, scene->code, scene->at_ms);
		char row[64];

		(void)snprintf(row, sizeof row, "scene %zu, %s", i + 1, event_names[scene->event]);
		expect_equal(row, life->state, scene->state);
		expect_equal(row, life->old, scene->old);
		expect_equal(row, step.actions, scene->actions);
		expect_equal(row, step.delay_ms, scene->delay_ms);
		expect_equal(row, step.old_delay_ms, scene->old_delay_ms);
	}
}

/* From a server that runs since 1 on. */
static struct lifecycle
act_out(const struct life_policy *policy, const struct scene *scenes, size_t n)
{
	static const struct scene start[] = {
		{ 0, LIFE_EV_START, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
		{ 1, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	struct lifecycle life;

	lifecycle_init(&life, policy);
	go_on(&life, start, COUNT(start));
	go_on(&life, scenes, n);
	return life;
}

#define PART      (LIFE_PART | LIFE_OLD_ARM | SPAWN)
#define OLD_CLEAR (LIFE_OLD_CLEAR | LIFE_OLD_ARM)
#define OLD_KILL  (LIFE_OLD_KILL | LIFE_OLD_ARM)
#define OLD_STOP  (LIFE_OLD_SIGNAL | LIFE_OLD_ARM)
#define NEXT      (LIFE_SPAWN_NEXT | LIFE_ARM)
#define PROMOTE   (LIFE_PROMOTE | LIFE_DISARM | LIFE_OLD_ARM)

static const struct life_policy parting = {
	.stop_timeout_ms = 3000,
	.restart_timeout_ms = 4000,
	.waits = true,
	.change_timeout_ms = 5000,
	.parts = true,
};

static const struct life_policy overlapping = {
	.stop_timeout_ms = 3000,
	.restart_timeout_ms = 4000,
	.waits = true,
	.change_timeout_ms = 5000,
	.overlaps = true,
};

/* Asked for a restart at 2, the next one runs from 3 on. */
#define PARTED                                                                                     \
	{ 2, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0, 4000 },  \
	{                                                                                          \
		3, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0                       \
	}

#define OLD_LEAVES_AT(at, state)                                                                   \
	{ at, LIFE_EV_OLD_EXITED, 0, state, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },                 \
	{                                                                                          \
		(at) + 1, LIFE_EV_OLD_GONE, 0, state, LIFE_OLD_NONE, LIFE_OLD_DISARM, 0, 0         \
	}

/* Asked for a restart at 2; `next` boots from then on. */
#define OVERLAPS                                                                                   \
	{                                                                                          \
		2, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT, LIFE_NEXT_MS, 0      \
	}

static void
a_restart_starts_the_next_server_while_the_last_one_stops(void **state)
{
	static const struct scene scenes[] = {
		PARTED,
		OLD_LEAVES_AT(500, LIFE_RUNNING),
		/* And again. */
		{ 600, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
		{ 601, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
	};
	struct lifecycle life = act_out(&parting, scenes, COUNT(scenes));

	(void)state;
	assert_true(life.beside);
	assert_int_equal(life.restarts, 0);
	assert_int_equal(life.started_ms, 601);
}

static void
a_predecessor_that_does_not_stop_is_killed_with_what_it_left(void **state)
{
	static const struct scene scenes[] = {
		PARTED,
		{ 4002, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_KILL, 0, 1000 },
		{ 5002, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 9000, LIFE_EV_OLD_EXITED, 137, LIFE_RUNNING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 9001, LIFE_EV_OLD_EXITED, 137, LIFE_RUNNING, LIFE_OLD_CLEARS, 0, 0, 0 },
		{ 10000, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_CLEARS, OLD_KILL, 0,
		    1000 },
		{ 11000, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 11001, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
	};

	(void)state;
	(void)act_out(&parting, scenes, COUNT(scenes));
}

static void
without_a_timeout_no_predecessor_is_killed(void **state)
{
	static const struct life_policy policy = { .parts = true };
	static const struct scene scenes[] = {
		{ 2, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS,
		    LIFE_PART | SPAWN | LIFE_OLD_SIGNAL | LIFE_OLD_DISARM, 0, 0 },
		{ 3, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 4, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		OLD_LEAVES_AT(90000, LIFE_RUNNING),
	};

	(void)state;
	(void)act_out(&policy, scenes, COUNT(scenes));
}

/* Told to stop at once; the next one comes when the tree is quiet, whether it has stopped or not. */
static void
a_change_parts_when_the_tree_is_quiet(void **state)
{
	static const struct scene still_stops[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 5000 },
		{ 53, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		OLD_LEAVES_AT(60, LIFE_RUNNING),
	};
	static const struct scene has_stopped[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 3, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene was_killed[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 5002, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_KILL | LIFE_ARM,
		    1000, 0 },
		{ 5003, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 5004, LIFE_EV_EXITED, 137, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 5005, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	/* Compose has copied everything. */
	static const struct scene restart[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 3, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 5000 },
		{ 4, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
	};

	(void)state;
	assert_true(act_out(&parting, still_stops, COUNT(still_stops)).beside);
	assert_false(act_out(&parting, has_stopped, COUNT(has_stopped)).beside);
	assert_false(act_out(&parting, was_killed, COUNT(was_killed)).beside);
	assert_true(act_out(&parting, restart, COUNT(restart)).beside);
}

static void
a_third_server_waits_for_the_first(void **state)
{
	static const struct scene first_goes[] = {
		PARTED,
		{ 100, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 101, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 200, LIFE_EV_OLD_EXITED, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 201, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 4000 },
	};
	/* What is left of the first is killed and not waited for. */
	static const struct scene first_leaves_something[] = {
		PARTED,
		{ 100, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 200, LIFE_EV_OLD_EXITED, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 1200, LIFE_EV_OLD_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_KILL, 0,
		    1000 },
		{ 2200, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 4000 },
	};
	static const struct scene second_goes[] = {
		PARTED,
		{ 100, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 200, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 201, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, SPAWN, 0, 0 },
	};
	static const struct scene before_it_is_quiet[] = {
		PARTED,
		{ 100, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		OLD_LEAVES_AT(110, LIFE_RESTARTING),
		{ 150, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 5000 },
	};

	(void)state;
	(void)act_out(&parting, first_goes, COUNT(first_goes));
	(void)act_out(&parting, first_leaves_something, COUNT(first_leaves_something));
	assert_true(act_out(&parting, second_goes, COUNT(second_goes)).beside);
	(void)act_out(&parting, before_it_is_quiet, COUNT(before_it_is_quiet));
}

static void
after_a_crash_or_a_hang_servers_come_one_after_the_other(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 30000,
		.restart_timeout_ms = 4000,
		.parts = true,
		.overlaps = true };
	static const struct scene crash[] = {
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_OLD_NONE, LIFE_ARM, 100, 0 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene hang[] = {
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 3, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 4, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 5, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_OLD_NONE, LIFE_ARM, 100, 0 },
	};

	(void)state;
	(void)act_out(&policy, crash, COUNT(crash));
	(void)act_out(&policy, hang, COUNT(hang));
}

/* ---- a server that cannot live beside its predecessor ---- */

/* It failed at 50; when the predecessor is gone at 101, it is started once more. */
#define FAILED_BESIDE                                                                              \
	PARTED, { 50, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },          \
	{                                                                                          \
		51, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0              \
	}
#define RETRIED_ALONE                                                                              \
	FAILED_BESIDE,                                                                             \
	    { 100, LIFE_EV_OLD_EXITED, 0, LIFE_SETTLING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },    \
	    { 101, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN | LIFE_OLD_DISARM, 0,   \
		    0 },                                                                           \
	{                                                                                          \
		102, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0                      \
	}

static void
a_server_that_fails_beside_its_predecessor_is_started_once_more_without(void **state)
{
	static const struct scene lives[] = {
		RETRIED_ALONE,
		/* That was why: from now on one after the other. */
		{ 3102, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 3103, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 3104, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
		{ 3105, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3106, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 3107, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	static const struct scene nobody_knows_yet[] = {
		RETRIED_ALONE,
		{ 3101, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
	};
	static const struct scene fails_again[] = {
		RETRIED_ALONE,
		{ 200, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 201, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 202, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	struct lifecycle life = act_out(&parting, lives, COUNT(lives));

	(void)state;
	assert_true(life.beside_fails);
	assert_false(life.beside_works);
	assert_int_equal(life.restarts, 0);
	assert_false(act_out(&parting, nobody_knows_yet, COUNT(nobody_knows_yet)).beside_fails);
	life = act_out(&parting, fails_again, COUNT(fails_again));
	assert_false(life.beside_fails);
	assert_false(life.retried);
}

static void
a_server_that_lived_beside_its_predecessor_fails_for_another_reason(void **state)
{
	static const struct scene later[] = {
		PARTED,
		OLD_LEAVES_AT(100, LIFE_RUNNING),
		{ 3003, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 3004, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
	};
	static const struct scene one_did[] = {
		PARTED,
		OLD_LEAVES_AT(100, LIFE_RUNNING),
		{ 3003, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
		{ 3004, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 3005, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 3006, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0 },
		OLD_LEAVES_AT(3010, LIFE_WAITING),
	};
	static const struct scene it_said_success[] = {
		PARTED,
		{ 50, LIFE_EV_EXITED, 0, LIFE_ENDING, LIFE_OLD_STOPS, SWEEP, 1000, 0 },
		{ 51, LIFE_EV_GONE, 0, LIFE_DONE, LIFE_OLD_STOPS, QUIT, 0, 0 },
		{ 52, LIFE_EV_OLD_EXITED, 0, LIFE_DONE, LIFE_OLD_STOPS, 0, 0, 0 },
	};

	(void)state;
	assert_true(act_out(&parting, later, COUNT(later)).beside_works);
	assert_true(act_out(&parting, one_did, COUNT(one_did)).beside_works);
	assert_int_equal(act_out(&parting, it_said_success, COUNT(it_said_success)).exit_code, 0);
}

/* Whatever it was that kept it from living. */
static void
the_retry_alone_is_not_forgotten(void **state)
{
	static const struct scene one_that_cannot_be_executed[] = {
		{ 2, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
		{ 3, LIFE_EV_FAILED, 126, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0 },
	};
	static const struct scene one_that_was_refused_first[] = {
		{ 2, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
		{ 3, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_OLD_STOPS, LIFE_ARM, 100, 0 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, SPAWN, 0, 0 },
		{ 104, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 105, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 106, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0 },
	};
	static const struct scene a_retry_that_was_refused_first[] = {
		FAILED_BESIDE,
		{ 100, LIFE_EV_OLD_EXITED, 0, LIFE_SETTLING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },
		{ 101, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN | LIFE_OLD_DISARM, 0,
		    0 },
		{ 102, LIFE_EV_REFUSED, 71, LIFE_BACKOFF, LIFE_OLD_NONE, LIFE_ARM, 100, 0 },
		{ 202, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
		{ 203, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3203, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
	};
	/* New code may live beside the predecessor; if not, it is retried, too. */
	static const struct scene a_change[] = {
		FAILED_BESIDE,
		{ 60, LIFE_EV_CHANGED, 0, LIFE_SETTLING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 80, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, SPAWN, 0, 0 },
		{ 81, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 82, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 83, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0 },
	};
	static const struct scene a_restart[] = {
		FAILED_BESIDE,
		{ 60, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, SPAWN, 0, 0 },
		{ 61, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 62, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 63, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0 },
	};

	(void)state;
	(void)act_out(&parting, one_that_cannot_be_executed, COUNT(one_that_cannot_be_executed));
	(void)act_out(&parting, one_that_was_refused_first, COUNT(one_that_was_refused_first));
	assert_true(
	    act_out(&parting, a_retry_that_was_refused_first, COUNT(a_retry_that_was_refused_first))
		.beside_fails);
	(void)act_out(&parting, a_change, COUNT(a_change));
	(void)act_out(&parting, a_restart, COUNT(a_restart));
}

/* ---- a successor ---- */

static void
a_successor_takes_over_when_it_is_ready(void **state)
{
	static const struct scene scenes[] = {
		OVERLAPS,
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		{ 800, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 4000 },
		{ 4800, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_KILL, 0, 1000 },
		OLD_LEAVES_AT(4801, LIFE_RUNNING),
	};
	struct lifecycle life = act_out(&overlapping, scenes, COUNT(scenes));

	(void)state;
	assert_int_equal(life.started_ms, 2);
	assert_false(life.next || life.next_failed || life.beside || life.retried);
}

static void
for_a_change_the_successor_starts_when_the_tree_is_quiet(void **state)
{
	static const struct scene scenes[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 4, LIFE_EV_DEADLINE, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 53, LIFE_EV_QUIET, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT, LIFE_NEXT_MS, 0 },
		{ 54, LIFE_EV_QUIET, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		{ 800, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 5000 },
	};
	/* Compose has copied everything. */
	static const struct scene restart[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT, LIFE_NEXT_MS, 0 },
	};

	(void)state;
	assert_int_equal(act_out(&overlapping, scenes, COUNT(scenes)).started_ms, 53);
	(void)act_out(&overlapping, restart, COUNT(restart));
}

static void
a_successor_that_fails_leaves_the_server_alone(void **state)
{
	static const struct scene fails[] = {
		OVERLAPS,
		{ 300, LIFE_EV_NEXT_ENDED, 1, LIFE_RUNNING, LIFE_OLD_CLEARS,
		    LIFE_DISMISS | LIFE_DISARM | OLD_CLEAR, 0, 1000 },
		{ 301, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_CLEARS, 0, 0, 0 },
	};
	static const struct scene next_change[] = {
		{ 400, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_CLEARS, 0, 0, 0 },
		{ 450, LIFE_EV_QUIET, 0, LIFE_OVERLAPPING, LIFE_OLD_CLEARS, 0, 0, 0 },
		{ 460, LIFE_EV_OLD_GONE, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT | LIFE_OLD_DISARM,
		    LIFE_NEXT_MS, 0 },
	};
	static const struct scene ready[] = {
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
	};
	struct lifecycle life = act_out(&overlapping, fails, COUNT(fails));

	(void)state;
	assert_true(life.next_failed);
	assert_int_equal(life.started_ms, 1);
	assert_int_equal(life.restarts, 0);
	go_on(&life, next_change, COUNT(next_change));
	assert_false(life.next_failed); /* the one that is on its way has not */
	go_on(&life, ready, COUNT(ready));
	assert_false(life.next_failed);
}

static void
a_successor_that_is_not_ready_in_time_is_stopped(void **state)
{
	static const struct scene scenes[] = {
		OVERLAPS,
		{ 60002, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, LIFE_DISMISS | OLD_STOP,
		    0, 4000 },
		{ 60003, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		OLD_LEAVES_AT(60004, LIFE_RUNNING),
	};
	struct lifecycle life = act_out(&overlapping, scenes, COUNT(scenes));

	(void)state;
	assert_true(life.next_failed);
	assert_false(life.next);
}

/* What it has read of the tree is not what is wanted any more. */
static void
a_wish_while_a_successor_boots_brings_another_one(void **state)
{
	static const struct scene change[] = {
		OVERLAPS,
		{ 100, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS,
		    LIFE_DISMISS | OLD_STOP | LIFE_DISARM, 0, 4000 },
		{ 150, LIFE_EV_QUIET, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 160, LIFE_EV_OLD_EXITED, 143, LIFE_OVERLAPPING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 161, LIFE_EV_OLD_GONE, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT | LIFE_OLD_DISARM,
		    LIFE_NEXT_MS, 0 },
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
	};
	static const struct scene gone_before_it_is_quiet[] = {
		OVERLAPS,
		{ 100, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS,
		    LIFE_DISMISS | OLD_STOP | LIFE_DISARM, 0, 4000 },
		OLD_LEAVES_AT(110, LIFE_OVERLAPPING),
		{ 150, LIFE_EV_QUIET, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT, LIFE_NEXT_MS, 0 },
	};
	static const struct scene restart[] = {
		OVERLAPS,
		{ 100, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS,
		    LIFE_DISMISS | OLD_STOP | LIFE_DISARM, 0, 4000 },
		{ 101, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 160, LIFE_EV_OLD_EXITED, 143, LIFE_OVERLAPPING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 161, LIFE_EV_OLD_GONE, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT | LIFE_OLD_DISARM,
		    LIFE_NEXT_MS, 0 },
	};

	(void)state;
	assert_int_equal(act_out(&overlapping, change, COUNT(change)).started_ms, 161);
	(void)act_out(&overlapping, gone_before_it_is_quiet, COUNT(gone_before_it_is_quiet));
	assert_false(act_out(&overlapping, restart, COUNT(restart)).next_failed);
}

static void
a_stop_while_a_successor_boots_stops_both(void **state)
{
	static const struct scene at_once[] = {
		OVERLAPS,
		{ 100, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_STOPS,
		    LIFE_DISMISS | OLD_STOP | LIFE_SIGNAL | LIFE_ARM, 3000, 4000 },
		{ 101, LIFE_EV_OLD_EXITED, 143, LIFE_STOPPING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 200, LIFE_EV_EXITED, 0, LIFE_ENDING, LIFE_OLD_CLEARS, SWEEP, 1000, 0 },
		{ 201, LIFE_EV_GONE, 0, LIFE_DONE, LIFE_OLD_CLEARS, QUIT, 0, 0 },
		{ 202, LIFE_EV_OLD_DEADLINE, 0, LIFE_DONE, LIFE_OLD_CLEARS, 0, 0, 0 },
	};
	static const struct life_policy drains = { .drain_delay_ms = 2000, .overlaps = true };
	static const struct scene after_a_drain[] = {
		OVERLAPS,
		{ 100, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_OLD_STOPS,
		    LIFE_DISMISS | LIFE_OLD_SIGNAL | LIFE_OLD_DISARM | LIFE_ARM, 2000, 0 },
		{ 2100, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_OLD_STOPS,
		    LIFE_SIGNAL | LIFE_DISARM, 0, 0 },
	};
	static const struct scene before_it_is_quiet[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM, 3000,
		    0 },
		{ 4, LIFE_EV_QUIET, 0, LIFE_STOPPING, LIFE_OLD_NONE, 0, 0, 0 },
	};

	(void)state;
	assert_int_equal(act_out(&overlapping, at_once, COUNT(at_once)).exit_code, 0);
	(void)act_out(&drains, after_a_drain, COUNT(after_a_drain));
	(void)act_out(&overlapping, before_it_is_quiet, COUNT(before_it_is_quiet));
}

static void
a_server_that_ends_before_its_successor_is_ready_leaves_it_the_place(void **state)
{
	static const struct scene boots[] = {
		OVERLAPS,
		{ 100, LIFE_EV_EXITED, 9, LIFE_RUNNING, LIFE_OLD_CLEARS,
		    LIFE_PROMOTE | LIFE_DISARM | OLD_CLEAR, 0, 1000 },
		{ 101, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, LIFE_OLD_DISARM, 0, 0 },
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	static const struct scene is_still_to_come[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3, LIFE_EV_EXITED, 9, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	struct lifecycle life = act_out(&overlapping, boots, COUNT(boots));

	(void)state;
	assert_int_equal(life.exit_code, 9);
	assert_int_equal(life.started_ms, 2);
	assert_int_equal(life.restarts, 0);
	life = act_out(&overlapping, is_still_to_come, COUNT(is_still_to_come));
	assert_int_equal(life.exit_code, 9);
	assert_int_equal(life.restarts, 0);
}

static void
a_predecessor_lingers_before_it_is_told_to_stop(void **state)
{
	static const struct scene stop[] = {
		OVERLAPS,
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		{ 701, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_STOPS,
		    LIFE_SIGNAL | LIFE_ARM | OLD_STOP, 3000, 3000 },
		{ 702, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_STOPS, LIFE_SIGNAL, 0, 0 },
	};
	static const struct scene end[] = {
		OVERLAPS,
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		OLD_LEAVES_AT(701, LIFE_RUNNING),
	};
	/* One more comes when it is gone, not before. */
	static const struct scene change[] = {
		OVERLAPS,
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		{ 710, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 760, LIFE_EV_QUIET, 0, LIFE_OVERLAPPING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 800, LIFE_EV_OLD_DEADLINE, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS, OLD_STOP, 0,
		    5000 },
		{ 900, LIFE_EV_OLD_EXITED, 0, LIFE_OVERLAPPING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 901, LIFE_EV_OLD_GONE, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT | LIFE_OLD_DISARM,
		    LIFE_NEXT_MS, 0 },
	};
	static const struct scene the_new_one_ends[] = {
		OVERLAPS,
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		{ 701, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_LINGERS, CLEAR, 1000, 0 },
		{ 702, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_LINGERS, LIFE_DISARM, 0, 0 },
		{ 800, LIFE_EV_OLD_DEADLINE, 0, LIFE_WAITING, LIFE_OLD_STOPS, OLD_STOP, 0, 4000 },
		OLD_LEAVES_AT(900, LIFE_WAITING),
	};

	(void)state;
	(void)act_out(&overlapping, stop, COUNT(stop));
	(void)act_out(&overlapping, end, COUNT(end));
	(void)act_out(&overlapping, change, COUNT(change));
	(void)act_out(&overlapping, the_new_one_ends, COUNT(the_new_one_ends));
}

/* A restart that was asked for, not one for health: it has no back-off, and no limit forbids it. */
static void
a_server_that_hangs_while_a_restart_waits_is_not_waited_for(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ALWAYS,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 100,
		.restart_limit = 1,
		.restart_timeout_ms = 4000,
		.overlaps = true };
	static const struct scene scenes[] = {
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_OLD_NONE, LIFE_ARM, 100, 0 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
		{ 104, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 105, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT, LIFE_NEXT_MS, 0 },
		{ 106, LIFE_EV_UNHEALTHY, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 107, LIFE_EV_NEXT_ENDED, 1, LIFE_RUNNING, LIFE_OLD_CLEARS,
		    LIFE_DISMISS | LIFE_DISARM | OLD_CLEAR, 0, 1000 },
		{ 108, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_CLEARS, 0, 0, 0 },
		{ 109, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS,
		    LIFE_SIGNAL | LIFE_ARM, 4000, 0 },
		{ 110, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_CLEARS, CLEAR, 1000, 0 },
		{ 111, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_CLEARS, SPAWN, 0, 0 },
	};

	(void)state;
	(void)act_out(&policy, scenes, COUNT(scenes));
}

/* A server may show only when it runs that it cannot be two: it listens on another port, too. */
static void
what_is_allowed_may_change_meanwhile(void **state)
{
	static const struct scene change[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	static const struct scene one_after_the_other[] = {
		{ 52, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 53, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 54, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene parts[] = {
		{ 52, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    5000 },
	};
	static const struct scene parted[] = { PARTED };
	static const struct scene a_third_waits[] = {
		{ 10, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 20, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 21, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, LIFE_DISARM, 0, 0 },
		{ 22, LIFE_EV_RESTART, 0, LIFE_SETTLING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 30, LIFE_EV_OLD_EXITED, 0, LIFE_SETTLING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },
		{ 31, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN | LIFE_OLD_DISARM, 0,
		    0 },
	};
	struct lifecycle life = act_out(&overlapping, change, COUNT(change));

	(void)state;
	life.policy.overlaps = false;
	go_on(&life, one_after_the_other, COUNT(one_after_the_other));
	life = act_out(&overlapping, change, COUNT(change));
	life.policy.overlaps = false;
	life.policy.parts = true;
	go_on(&life, parts, COUNT(parts));
	life = act_out(&parting, parted, COUNT(parted));
	life.policy.parts = false;
	go_on(&life, a_third_waits, COUNT(a_third_waits));
}

static void
a_stop_while_the_predecessor_leaves_is_the_end(void **state)
{
	static const struct scene of_both[] = {
		PARTED,
		{ 10, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM, 3000,
		    0 },
		{ 20, LIFE_EV_EXITED, 5, LIFE_ENDING, LIFE_OLD_STOPS, SWEEP, 1000, 0 },
		{ 1020, LIFE_EV_DEADLINE, 0, LIFE_DONE, LIFE_OLD_STOPS, QUIT, 0, 0 },
	};
	static const struct scene of_the_retry[] = {
		FAILED_BESIDE,
		{ 60, LIFE_EV_STOP, 0, LIFE_ENDING, LIFE_OLD_STOPS, SWEEP, 1000, 0 },
		{ 70, LIFE_EV_OLD_EXITED, 0, LIFE_ENDING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },
		{ 71, LIFE_EV_OLD_GONE, 0, LIFE_ENDING, LIFE_OLD_NONE, LIFE_OLD_DISARM, 0, 0 },
		{ 72, LIFE_EV_GONE, 0, LIFE_DONE, LIFE_OLD_NONE, QUIT, 0, 0 },
	};

	(void)state;
	assert_int_equal(act_out(&parting, of_both, COUNT(of_both)).exit_code, 5);
	assert_int_equal(act_out(&parting, of_the_retry, COUNT(of_the_retry)).exit_code, 1);
}

/* What it was when it was started says nothing about the one that took its place. */
static void
a_successor_proves_nothing_about_servers_that_are_started_beside_each_other(void **state)
{
	static const struct scene beside[] = { PARTED, OLD_LEAVES_AT(100, LIFE_RUNNING) };
	static const struct scene retried[] = { RETRIED_ALONE };
	static const struct scene takes_over[] = {
		{ 1000, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, NEXT, LIFE_NEXT_MS,
		    0 },
		{ 1700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
	};
	static const struct scene fails[] = {
		{ 1701, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_LINGERS, CLEAR, 1000, 0 },
		{ 1702, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_LINGERS, LIFE_DISARM, 0, 0 },
	};
	static const struct scene lives[] = {
		{ 9000, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_LINGERS, CLEAR, 1000, 0 },
	};
	struct lifecycle life = act_out(&parting, beside, COUNT(beside));

	(void)state;
	life.policy.overlaps = true;
	go_on(&life, takes_over, COUNT(takes_over));
	go_on(&life, fails, COUNT(fails));
	assert_false(life.alone);
	life = act_out(&parting, retried, COUNT(retried));
	life.policy.overlaps = true;
	go_on(&life, takes_over, COUNT(takes_over));
	go_on(&life, lives, COUNT(lives));
	assert_false(life.beside_works || life.beside_fails);
}

static void
a_change_tells_too_whether_servers_can_live_beside_each_other(void **state)
{
	static const struct scene scenes[] = {
		PARTED,
		OLD_LEAVES_AT(100, LIFE_RUNNING),
		{ 3003, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
	};

	(void)state;
	assert_true(act_out(&parting, scenes, COUNT(scenes)).beside_works);
}

/* The back-off was for the crash before. */
static void
neither_a_retry_nor_a_restart_that_waits_has_a_back_off(void **state)
{
	static const struct life_policy policy = { .restart = LIFE_RESTART_ON_FAILURE,
		.restart_delay_ms = 100,
		.restart_delay_max_ms = 100,
		.restart_timeout_ms = 4000,
		.parts = true };
	static const struct scene crash[] = {
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 3, LIFE_EV_GONE, 0, LIFE_BACKOFF, LIFE_OLD_NONE, LIFE_ARM, 100, 0 },
		{ 103, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
		{ 104, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 105, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
		{ 106, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
	};
	static const struct scene retry[] = {
		{ 107, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		OLD_LEAVES_AT(108, LIFE_CLEARING),
		{ 110, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene restart[] = {
		{ 107, LIFE_EV_RESTART, 0, LIFE_OVERLAPPING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 108, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_STOPS, CLEAR, 1000, 0 },
		{ 109, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, SPAWN, 0, 0 },
	};
	struct lifecycle life = act_out(&policy, crash, COUNT(crash));

	(void)state;
	go_on(&life, retry, COUNT(retry));
	assert_int_equal(life.restarts, 1);
	life = act_out(&policy, crash, COUNT(crash));
	life.policy.overlaps = true;
	go_on(&life, restart, COUNT(restart));
	assert_int_equal(life.restarts, 1);
}

/* ---- a server that lingers ---- */

/* The socket is held, but the server binds another port, too: one after the other. */
static const struct life_policy diverting = {
	.drain_delay_ms = 2000,
	.stop_timeout_ms = 3000,
	.restart_timeout_ms = 4000,
	.waits = true,
	.change_timeout_ms = 5000,
	.diverts = true,
};

static const struct life_policy diverting_and_parting = {
	.drain_delay_ms = 2000,
	.stop_timeout_ms = 3000,
	.restart_timeout_ms = 4000,
	.waits = true,
	.change_timeout_ms = 5000,
	.diverts = true,
	.parts = true,
};

#define DIVERT (LIFE_DIVERT | LIFE_ARM)

/* Told at 2 that there is another one to be; from then on nothing new comes to it. */
#define LINGERS_AFTER(event)                                                                       \
	{                                                                                          \
		2, event, 0, LIFE_RESTARTING, LIFE_OLD_NONE, DIVERT, LIFE_LINGER_MS, 0             \
	}

/* Asked for a restart at 2, the next one runs from 3 on; the last one is not signalled yet. */
#define PARTED_LINGERING                                                                           \
	{ 2, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT, 0,            \
		LIFE_LINGER_MS },                                                                  \
	{                                                                                          \
		3, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, 0, 0, 0                     \
	}

static void
a_server_to_be_replaced_gets_what_is_on_its_way_before_the_signal(void **state)
{
	static const struct scene restart[] = {
		LINGERS_AFTER(LIFE_EV_RESTART),
		{ 3, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 4, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 5, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 4052, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_KILL | LIFE_ARM,
		    1000, 0 },
		{ 4053, LIFE_EV_EXITED, 137, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 4054, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
		{ 4055, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		/* And again. */
		{ 4056, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_NONE, DIVERT, LIFE_LINGER_MS,
		    0 },
	};
	static const struct scene quiet_before_the_signal[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 40, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 53, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 54, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene quiet_after_the_signal[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 60, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 61, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 62, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene quiet_after_the_end[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 53, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 54, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 60, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};

	(void)state;
	assert_int_equal(act_out(&diverting, restart, COUNT(restart)).restarts, 0);
	(void)act_out(&diverting, quiet_before_the_signal, COUNT(quiet_before_the_signal));
	(void)act_out(&diverting, quiet_after_the_signal, COUNT(quiet_after_the_signal));
	(void)act_out(&diverting, quiet_after_the_end, COUNT(quiet_after_the_end));
}

static void
a_predecessor_gets_what_is_on_its_way_before_the_signal(void **state)
{
	static const struct scene restart[] = {
		PARTED_LINGERING,
		{ 52, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 4000 },
		{ 4052, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_KILL, 0, 1000 },
		{ 5052, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		OLD_LEAVES_AT(5053, LIFE_RUNNING),
		/* And again. */
		{ 6000, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT, 0,
		    LIFE_LINGER_MS },
	};
	/* Diverted from once, but it lingers anew as `old`. */
	static const struct scene quiet_before_the_signal[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 40, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART, 0, LIFE_LINGER_MS },
		{ 41, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 90, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 5000 },
		OLD_LEAVES_AT(100, LIFE_RUNNING),
	};
	static const struct scene quiet_after_the_signal[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 60, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 5000 },
		{ 61, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_STOPS, 0, 0, 0 },
		{ 5060, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_KILL, 0, 1000 },
	};
	/* Compose has copied everything. */
	static const struct scene restart_before_the_signal[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 3, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART, 0, LIFE_LINGER_MS },
		{ 4, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 53, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 5000 },
	};

	(void)state;
	assert_false(act_out(&diverting_and_parting, restart, COUNT(restart)).lingers);
	assert_true(
	    act_out(&diverting_and_parting, quiet_before_the_signal, COUNT(quiet_before_the_signal))
		.beside);
	(void)act_out(
	    &diverting_and_parting, quiet_after_the_signal, COUNT(quiet_after_the_signal));
	(void)act_out(
	    &diverting_and_parting, restart_before_the_signal, COUNT(restart_before_the_signal));
}

static void
without_a_timeout_lingering_ends_all_the_same(void **state)
{
	static const struct life_policy one = { .diverts = true };
	static const struct life_policy two = { .diverts = true, .parts = true };
	static const struct scene server[] = {
		LINGERS_AFTER(LIFE_EV_RESTART),
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE,
		    LIFE_SIGNAL | LIFE_DISARM, 0, 0 },
	};
	static const struct scene predecessor[] = {
		PARTED_LINGERING,
		{ 52, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS,
		    LIFE_OLD_SIGNAL | LIFE_OLD_DISARM, 0, 0 },
		OLD_LEAVES_AT(90000, LIFE_RUNNING),
	};

	(void)state;
	(void)act_out(&one, server, COUNT(server));
	(void)act_out(&two, predecessor, COUNT(predecessor));
}

static void
a_server_that_ends_while_it_lingers_is_replaced_all_the_same(void **state)
{
	static const struct scene restart[] = {
		LINGERS_AFTER(LIFE_EV_RESTART),
		{ 3, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 1003, LIFE_EV_DEADLINE, 0, LIFE_CLEARING, LIFE_OLD_NONE, LIFE_KILL | LIFE_ARM,
		    1000, 0 },
		{ 1004, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene change[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 3, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 4, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 40, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene predecessor[] = {
		PARTED_LINGERING,
		OLD_LEAVES_AT(4, LIFE_RUNNING),
		{ 52, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	struct lifecycle life = act_out(&diverting, restart, COUNT(restart));

	(void)state;
	assert_int_equal(life.exit_code, 1);
	assert_int_equal(life.restarts, 0);
	assert_false(life.lingers);
	assert_false(act_out(&diverting_and_parting, change, COUNT(change)).beside);
	(void)act_out(&diverting_and_parting, predecessor, COUNT(predecessor));
}

/* Neither the lingering nor a drain is waited for: what would come is diverted already. */
static void
a_stop_while_a_server_lingers_is_passed_on_at_once(void **state)
{
	static const struct scene server[] = {
		LINGERS_AFTER(LIFE_EV_RESTART),
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM, 3000,
		    0 },
		{ 3003, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_OLD_NONE, LIFE_KILL | LIFE_ARM,
		    1000, 0 },
		{ 3004, LIFE_EV_EXITED, 137, LIFE_ENDING, LIFE_OLD_NONE, SWEEP, 1000, 0 },
	};
	static const struct scene before_it_is_quiet[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM, 3000,
		    0 },
		{ 40, LIFE_EV_QUIET, 0, LIFE_STOPPING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 41, LIFE_EV_EXITED, 0, LIFE_ENDING, LIFE_OLD_NONE, SWEEP, 1000, 0 },
	};
	/* Only the one that serves drains. */
	static const struct scene predecessor[] = {
		PARTED_LINGERING,
		{ 4, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_OLD_STOPS, LIFE_ARM | OLD_STOP, 2000,
		    3000 },
		{ 3004, LIFE_EV_OLD_DEADLINE, 0, LIFE_DRAINING, LIFE_OLD_STOPS, OLD_KILL, 0, 1000 },
	};

	(void)state;
	assert_int_equal(act_out(&diverting, server, COUNT(server)).exit_code, 137);
	assert_int_equal(
	    act_out(&diverting_and_parting, before_it_is_quiet, COUNT(before_it_is_quiet))
		.exit_code,
	    0);
	(void)act_out(&diverting_and_parting, predecessor, COUNT(predecessor));
}

static void
a_change_while_a_server_lingers_has_to_settle_too(void **state)
{
	/* Its timeout stays that of the restart. */
	static const struct scene after_a_restart[] = {
		LINGERS_AFTER(LIFE_EV_RESTART),
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 53, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 54, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 60, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene after_a_change[] = {
		LINGERS_AFTER(LIFE_EV_CHANGED),
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 40, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART, 0, LIFE_LINGER_MS },
	};

	(void)state;
	(void)act_out(&diverting, after_a_restart, COUNT(after_a_restart));
	(void)act_out(&diverting_and_parting, after_a_change, COUNT(after_a_change));
}

/* Asked at 10 for another one, while its predecessor lingers; nothing is diverted or signalled yet. */
#define CROWDED_AFTER(event)                                                                       \
	PARTED_LINGERING,                                                                          \
	{                                                                                          \
		10, event, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, LIFE_ARM, LIFE_CROWD_MS, 0        \
	}

/* The same, and the predecessor has ended at 110: all but OLD_GONE. */
#define OLD_ENDS(timeout_ms)                                                                       \
	{ 102, LIFE_EV_OLD_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, OLD_STOP, 0,              \
		timeout_ms },                                                                      \
	{                                                                                          \
		110, LIFE_EV_OLD_EXITED, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000   \
	}

/* What comes anew is for this one, what came before for its predecessor: two are enough. */
static void
nobody_lingers_beside_a_predecessor(void **state)
{
	static const struct scene quiet_before[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 40, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		OLD_ENDS(5000), /* as the last wish says */
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT, 0,
		    LIFE_LINGER_MS },
		{ 112, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 211, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 5000 },
	};
	static const struct scene quiet_after[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		OLD_ENDS(5000),
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RESTARTING, LIFE_OLD_NONE,
		    DIVERT | LIFE_OLD_DISARM, LIFE_LINGER_MS, 0 },
		{ 140, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART, 0, LIFE_LINGER_MS },
	};
	static const struct scene restart[] = {
		CROWDED_AFTER(LIFE_EV_RESTART),
		OLD_ENDS(4000),
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT, 0,
		    LIFE_LINGER_MS },
	};
	static const struct scene while_it_clears[] = {
		PARTED_LINGERING,
		{ 10, LIFE_EV_OLD_EXITED, 0, LIFE_RUNNING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },
		{ 800, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, LIFE_ARM,
		    LIFE_CROWD_MS, 0 },
		{ 1010, LIFE_EV_OLD_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_KILL, 0,
		    1000 },
		/* What even SIGKILL does not end, nobody waits for. */
		{ 1090, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT,
		    0, LIFE_LINGER_MS },
	};
	struct lifecycle life =
	    act_out(&diverting_and_parting, quiet_after, COUNT(quiet_after) - 1);

	(void)state;
	assert_true(life.lingers && !life.crowded);
	life = act_out(&diverting_and_parting, quiet_after, COUNT(quiet_after));
	assert_false(life.lingers || life.crowded);
	life = act_out(&diverting_and_parting, quiet_before, COUNT(quiet_before));
	assert_false(life.lingers || life.crowded);
	(void)act_out(&diverting_and_parting, restart, COUNT(restart));
	(void)act_out(&diverting_and_parting, while_it_clears, COUNT(while_it_clears));
}

static void
a_predecessor_that_takes_too_long_is_not_waited_for(void **state)
{
	static const struct life_policy without_timeouts = { .diverts = true, .parts = true };
	static const struct scene change[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 40, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 102, LIFE_EV_OLD_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, OLD_STOP, 0,
		    5000 },
		{ 310, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_STOPS, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
		{ 320, LIFE_EV_OLD_EXITED, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 321, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 5000 },
	};
	static const struct scene not_quiet[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 310, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS,
		    LIFE_SIGNAL | LIFE_ARM, 5000, 0 },
		{ 320, LIFE_EV_OLD_EXITED, 0, LIFE_RESTARTING, LIFE_OLD_CLEARS, OLD_CLEAR, 0,
		    1000 },
		{ 321, LIFE_EV_OLD_GONE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_OLD_DISARM, 0, 0 },
		{ 5310, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_KILL | LIFE_ARM,
		    1000, 0 },
	};
	static const struct scene signalled[] = {
		CROWDED_AFTER(LIFE_EV_RESTART),
		{ 310, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS,
		    LIFE_SIGNAL | LIFE_DISARM, 0, 0 },
	};

	(void)state;
	assert_false(act_out(&diverting_and_parting, change, COUNT(change)).crowded);
	(void)act_out(&diverting_and_parting, not_quiet, COUNT(not_quiet));
	assert_false(act_out(&without_timeouts, signalled, COUNT(signalled)).crowded);
}

/* No drain either: as for one that lingers. */
static void
a_stop_while_a_server_waits_for_its_predecessor_is_passed_on_at_once(void **state)
{
	static const struct scene scenes[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 20, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_STOPS,
		    LIFE_SIGNAL | LIFE_ARM | OLD_STOP, 3000, 3000 },
		{ 40, LIFE_EV_QUIET, 0, LIFE_STOPPING, LIFE_OLD_STOPS, 0, 0, 0 },
		OLD_LEAVES_AT(50, LIFE_STOPPING),
		{ 3020, LIFE_EV_DEADLINE, 0, LIFE_STOPPING, LIFE_OLD_NONE, LIFE_KILL | LIFE_ARM,
		    1000, 0 },
		{ 3021, LIFE_EV_EXITED, 137, LIFE_ENDING, LIFE_OLD_NONE, SWEEP, 1000, 0 },
	};
	struct lifecycle life = act_out(&diverting_and_parting, scenes, COUNT(scenes));

	(void)state;
	assert_false(life.crowded);
	assert_int_equal(life.exit_code, 137);
}

static void
a_server_that_ends_while_it_waits_for_its_predecessor_is_replaced_all_the_same(void **state)
{
	static const struct scene restart[] = {
		CROWDED_AFTER(LIFE_EV_RESTART),
		{ 20, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_LINGERS, CLEAR, 1000, 0 },
		{ 21, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, SPAWN, 0, 0 },
	};
	static const struct scene change[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 20, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_LINGERS, CLEAR, 1000, 0 },
		{ 21, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_LINGERS, LIFE_DISARM, 0, 0 },
		OLD_LEAVES_AT(30, LIFE_SETTLING),
		{ 40, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	struct lifecycle life = act_out(&diverting_and_parting, restart, COUNT(restart) - 1);

	(void)state;
	assert_false(life.crowded);
	assert_int_equal(life.exit_code, 1);
	assert_int_equal(life.restarts, 0);
	(void)act_out(&diverting_and_parting, restart, COUNT(restart));
	(void)act_out(&diverting_and_parting, change, COUNT(change));
}

/* Its timeout and its deadline stay those of the first one. */
static void
a_wish_while_a_server_waits_for_its_predecessor_only_settles_or_unsettles(void **state)
{
	static const struct scene restarted[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 20, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 21, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		OLD_ENDS(5000),
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT, 0,
		    LIFE_LINGER_MS },
	};
	static const struct scene changed[] = {
		CROWDED_AFTER(LIFE_EV_RESTART),
		{ 20, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		OLD_ENDS(4000),
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RESTARTING, LIFE_OLD_NONE,
		    DIVERT | LIFE_OLD_DISARM, LIFE_LINGER_MS, 0 },
		{ 211, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 220, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART, 0, 4000 },
	};
	static const struct scene changed_twice[] = {
		CROWDED_AFTER(LIFE_EV_CHANGED),
		{ 20, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 30, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
		{ 310, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS,
		    LIFE_SIGNAL | LIFE_ARM, 5000, 0 },
	};

	(void)state;
	(void)act_out(&diverting_and_parting, restarted, COUNT(restarted));
	(void)act_out(&diverting_and_parting, changed, COUNT(changed));
	(void)act_out(&diverting_and_parting, changed_twice, COUNT(changed_twice));
}

static void
one_that_hangs_does_not_wait_for_its_predecessor(void **state)
{
	static const struct scene scenes[] = {
		PARTED_LINGERING,
		{ 10, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS,
		    LIFE_SIGNAL | LIFE_ARM, 4000, 0 },
		{ 11, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_LINGERS, 0, 0, 0 },
	};

	(void)state;
	assert_false(act_out(&diverting_and_parting, scenes, COUNT(scenes)).crowded);
}

/* The socket may be lost, or found not to be all that they share, meanwhile. */
static void
one_that_waited_for_its_predecessor_leaves_as_is_allowed_then(void **state)
{
	static const struct scene restart[] = { CROWDED_AFTER(LIFE_EV_RESTART), OLD_ENDS(4000) };
	static const struct scene change[] = { CROWDED_AFTER(LIFE_EV_CHANGED), OLD_ENDS(5000) };
	static const struct scene one_after_the_other[] = {
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RESTARTING, LIFE_OLD_NONE,
		    DIVERT | LIFE_OLD_DISARM, LIFE_LINGER_MS, 0 },
		{ 211, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 220, LIFE_EV_EXITED, 0, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 221, LIFE_EV_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene parts[] = {
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, PART | LIFE_OLD_SIGNAL, 0,
		    4000 },
	};
	static const struct scene asked[] = {
		{ 111, LIFE_EV_OLD_GONE, 0, LIFE_RESTARTING, LIFE_OLD_NONE,
		    LIFE_SIGNAL | LIFE_ARM | LIFE_OLD_DISARM, 5000, 0 },
	};
	struct lifecycle life = act_out(&diverting_and_parting, restart, COUNT(restart));

	(void)state;
	assert_true(life.crowded);
	life.policy.parts = false;
	go_on(&life, one_after_the_other, COUNT(one_after_the_other));
	life = act_out(&diverting_and_parting, restart, COUNT(restart));
	life.policy.diverts = false;
	go_on(&life, parts, COUNT(parts));
	life = act_out(&diverting_and_parting, change, COUNT(change));
	life.policy.diverts = false;
	go_on(&life, asked, COUNT(asked));
	assert_false(life.crowded);
}

static void
a_server_that_hangs_or_crashes_is_not_diverted_from(void **state)
{
	static const struct scene hang[] = {
		{ 2, LIFE_EV_UNHEALTHY, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
		{ 3, LIFE_EV_CHANGED, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	static const struct scene crash[] = {
		{ 2, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 3, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
		{ 4, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	static const struct scene stop[] = {
		{ 2, LIFE_EV_STOP, 0, LIFE_DRAINING, LIFE_OLD_NONE, LIFE_ARM, 2000, 0 },
		{ 3, LIFE_EV_STOP, 0, LIFE_STOPPING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM, 3000,
		    0 },
	};

	(void)state;
	(void)act_out(&diverting, hang, COUNT(hang));
	(void)act_out(&diverting_and_parting, crash, COUNT(crash));
	(void)act_out(&diverting, stop, COUNT(stop));
}

/* It fails while the last one has not even been asked to stop. */
static void
a_server_that_fails_beside_one_that_lingers_is_retried_without_it(void **state)
{
	static const struct scene scenes[] = {
		PARTED_LINGERING,
		{ 20, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_LINGERS, CLEAR, 1000, 0 },
		{ 21, LIFE_EV_GONE, 0, LIFE_SETTLING, LIFE_OLD_LINGERS, LIFE_DISARM, 0, 0 },
		{ 52, LIFE_EV_OLD_DEADLINE, 0, LIFE_SETTLING, LIFE_OLD_STOPS, OLD_STOP, 0, 4000 },
		{ 60, LIFE_EV_OLD_EXITED, 0, LIFE_SETTLING, LIFE_OLD_CLEARS, OLD_CLEAR, 0, 1000 },
		{ 61, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN | LIFE_OLD_DISARM, 0,
		    0 },
		{ 62, LIFE_EV_SPAWNED, 0, LIFE_RUNNING, LIFE_OLD_NONE, 0, 0, 0 },
		/* That was why: from now on it lingers in its place. */
		{ 3062, LIFE_EV_RESTART, 0, LIFE_RESTARTING, LIFE_OLD_NONE, DIVERT, LIFE_LINGER_MS,
		    0 },
		{ 3063, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, 0, 0, 0 },
		{ 3112, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    4000, 0 },
	};

	(void)state;
	assert_true(act_out(&diverting_and_parting, scenes, COUNT(scenes)).beside_fails);
}

/* The successor has a door of its own; without one all is as it is for the others. */
static void
a_server_whose_successor_is_awaited_is_not_diverted_from(void **state)
{
	static const struct scene ready[] = {
		OVERLAPS,
		{ 700, LIFE_EV_NEXT_READY, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PROMOTE, 0,
		    LIFE_LINGER_MS },
		{ 750, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 4000 },
	};
	static const struct scene change[] = {
		{ 2, LIFE_EV_CHANGED, 0, LIFE_OVERLAPPING, LIFE_OLD_NONE, 0, 0, 0 },
	};
	static const struct scene one_after_the_other[] = {
		{ 40, LIFE_EV_QUIET, 0, LIFE_RESTARTING, LIFE_OLD_NONE, DIVERT, LIFE_LINGER_MS, 0 },
		{ 90, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
	};
	static const struct scene parts[] = {
		{ 40, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART | LIFE_DIVERT, 0,
		    LIFE_LINGER_MS },
		{ 90, LIFE_EV_OLD_DEADLINE, 0, LIFE_RUNNING, LIFE_OLD_STOPS, OLD_STOP, 0, 5000 },
	};
	struct life_policy policy = overlapping;
	struct lifecycle life;

	(void)state;
	policy.diverts = true;
	(void)act_out(&policy, ready, COUNT(ready));
	life = act_out(&policy, change, COUNT(change));
	life.policy.overlaps = false;
	go_on(&life, one_after_the_other, COUNT(one_after_the_other));
	life = act_out(&policy, change, COUNT(change));
	life.policy.overlaps = false;
	life.policy.parts = true;
	go_on(&life, parts, COUNT(parts));
}

/* The socket may be lost, or found to be all that they share, meanwhile. */
static void
one_that_lingers_does_so_to_the_end_whatever_is_allowed(void **state)
{
	static const struct scene change[] = { LINGERS_AFTER(LIFE_EV_CHANGED) };
	static const struct scene signalled[] = {
		{ 52, LIFE_EV_DEADLINE, 0, LIFE_RESTARTING, LIFE_OLD_NONE, LIFE_SIGNAL | LIFE_ARM,
		    5000, 0 },
	};
	static const struct scene parted[] = {
		{ 40, LIFE_EV_QUIET, 0, LIFE_RUNNING, LIFE_OLD_LINGERS, PART, 0, LIFE_LINGER_MS },
	};
	struct lifecycle life = act_out(&diverting, change, COUNT(change));

	(void)state;
	life.policy.diverts = false;
	go_on(&life, signalled, COUNT(signalled));
	life = act_out(&diverting, change, COUNT(change));
	life.policy.diverts = false;
	life.policy.parts = true;
	go_on(&life, parted, COUNT(parted));
}

static void
a_newer_server_than_the_last_successor_has_not_failed(void **state)
{
	static const struct scene fails[] = {
		OVERLAPS,
		{ 300, LIFE_EV_NEXT_ENDED, 1, LIFE_RUNNING, LIFE_OLD_CLEARS,
		    LIFE_DISMISS | LIFE_DISARM | OLD_CLEAR, 0, 1000 },
		{ 301, LIFE_EV_OLD_GONE, 0, LIFE_RUNNING, LIFE_OLD_NONE, LIFE_OLD_DISARM, 0, 0 },
		{ 400, LIFE_EV_EXITED, 1, LIFE_CLEARING, LIFE_OLD_NONE, CLEAR, 1000, 0 },
		{ 401, LIFE_EV_GONE, 0, LIFE_WAITING, LIFE_OLD_NONE, LIFE_DISARM, 0, 0 },
	};
	static const struct scene restart[] = {
		{ 500, LIFE_EV_RESTART, 0, LIFE_RUNNING, LIFE_OLD_NONE, SPAWN, 0, 0 },
	};
	struct lifecycle life = act_out(&overlapping, fails, COUNT(fails));

	(void)state;
	assert_true(life.next_failed);
	go_on(&life, restart, COUNT(restart));
	assert_false(life.next_failed);
}

/* ---- every state that can be reached ---- */

/* What the world around a lifecycle is in: which servers are there, will a deadline come? */
enum server {
	SERVER_NONE,
	SERVER_ASKED, /* for an answer to LIFE_SPAWN */
	SERVER_ALIVE,
	SERVER_ENDED, /* of `old` and `next`: what it left in its group may still be there */
};

struct world {
	struct lifecycle life;
	enum server server, old, next;
	bool signalled, old_signalled; /* told to stop */
	bool diverted;                 /* what comes anew is not for it any more */
	bool armed, old_armed;
	bool quit;
	bool flips;          /* policy.diverts, policy.parts and policy.overlaps change */
	bool moving;         /* CHANGED was said, QUIET not yet */
	bool unsettled;      /* the same, and nobody has asked for a restart since */
	bool unserved;       /* CHANGED or RESTART was said, and no server was started since */
	uint64_t timeout_ms; /* what the policy gives the server to stop; 0: none */
	uint64_t old_timeout_ms;
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
	{ LIFE_EV_EXITED, 255, LIFE_PROOF_MS },
	{ LIFE_EV_EXITED, 255, LIFE_STABLE_MS },
	{ LIFE_EV_GONE, 0, 1 },
	{ LIFE_EV_STOP, 0, 1 },
	{ LIFE_EV_RESTART, 0, 1 },
	{ LIFE_EV_RESTART, 0, LIFE_STABLE_MS },
	{ LIFE_EV_UNHEALTHY, 0, 1 },
	{ LIFE_EV_UNHEALTHY, 0, LIFE_STABLE_MS },
	{ LIFE_EV_CHANGED, 0, 1 },
	{ LIFE_EV_CHANGED, 0, LIFE_STABLE_MS },
	{ LIFE_EV_QUIET, 0, 1 },
	{ LIFE_EV_DEADLINE, 0, 1 },
	{ LIFE_EV_NEXT_READY, 0, 1 },
	{ LIFE_EV_NEXT_ENDED, 255, 1 },
	{ LIFE_EV_OLD_EXITED, 0, 1 },
	{ LIFE_EV_OLD_GONE, 0, 1 },
	{ LIFE_EV_OLD_DEADLINE, 0, 1 },
};

/* What the kernel, the clock and the servers do, whether somebody wants something or not. */
static const struct happening by_themselves[] = {
	{ LIFE_EV_EXITED, 255, 1 },
	{ LIFE_EV_GONE, 0, 1 },
	{ LIFE_EV_DEADLINE, 0, 1 },
	{ LIFE_EV_NEXT_READY, 0, 1 },
	{ LIFE_EV_NEXT_ENDED, 255, 1 },
	{ LIFE_EV_OLD_EXITED, 0, 1 },
	{ LIFE_EV_OLD_GONE, 0, 1 },
	{ LIFE_EV_OLD_DEADLINE, 0, 1 },
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
		return state == LIFE_RUNNING || state == LIFE_OVERLAPPING;
	if (event == LIFE_EV_GONE)
		return world->server == SERVER_NONE &&
		       (state == LIFE_CLEARING ||
			   (state == LIFE_ENDING && world->old != SERVER_ALIVE));
	if (event == LIFE_EV_QUIET)
		return world->moving;
	if (event == LIFE_EV_DEADLINE)
		return world->armed;
	if (event == LIFE_EV_NEXT_READY || event == LIFE_EV_NEXT_ENDED)
		return world->next == SERVER_ALIVE;
	if (event == LIFE_EV_OLD_EXITED)
		return world->old == SERVER_ALIVE;
	if (event == LIFE_EV_OLD_GONE)
		return world->old == SERVER_ENDED;
	if (event == LIFE_EV_OLD_DEADLINE)
		return world->old_armed;
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

	life->started_ms = life->next_started_ms = 0;
	/* Else nobody asks but the log. */
	if (life->old != LIFE_OLD_LINGERS &&
	    (world->server == SERVER_NONE || life->state == LIFE_RUNNING || is_ending(life)))
		life->timeout_ms = 0;
	if (life->policy.restart_limit == 0 && life->restarts > saturated)
		life->restarts = saturated;
	if (world->server == SERVER_NONE || life->state == LIFE_RUNNING)
		world->timeout_ms = 0;
	if (world->server == SERVER_NONE)
		world->signalled = false;
	world->diverted = world->diverted && life->lingers;
	if (is_ending(life)) {
		world->moving = world->unsettled = world->unserved = false;
		life->beside = life->beside_works = life->beside_fails = false;
		life->alone = life->retried = life->next_failed = false;
	}
	if (life->state == LIFE_ENDING || life->state == LIFE_DONE) {
		life->restarts = life->refusals = 0;
		life->delay_ms = 0;
		life->unsettled = life->failed = life->killed = life->unhealthy = false;
	}
}

/* There are too many for all numbers of them; those are not what it is about when servers are two. */
static void
normalise_more(struct world *world)
{
	struct lifecycle *life = &world->life;

	/* It is asked for a server that serves; check_diverting() looks at both everywhere. */
	if (world->server != SERVER_ALIVE ||
	    (life->state != LIFE_RUNNING && life->state != LIFE_OVERLAPPING && !life->crowded))
		life->policy.diverts = false;
	life->exit_code = life->exit_code != 0;
	life->next_failed = false;
	if (life->refusals > 1)
		life->refusals = LIFE_REFUSALS_MAX;
	if (life->policy.restart_limit == 0)
		life->restarts = 0;
	life->delay_ms =
	    (life->state == LIFE_CLEARING || life->state == LIFE_BACKOFF) && life->delay_ms > 0;
}

static bool
same(const struct world *a, const struct world *b)
{
	const struct lifecycle *x = &a->life, *y = &b->life;

	return a->server == b->server && a->old == b->old && a->next == b->next &&
	       a->signalled == b->signalled && a->old_signalled == b->old_signalled &&
	       a->diverted == b->diverted && x->policy.diverts == y->policy.diverts &&
	       x->lingers == y->lingers && x->crowded == y->crowded && a->armed == b->armed &&
	       a->old_armed == b->old_armed && a->quit == b->quit &&
	       a->timeout_ms == b->timeout_ms && a->old_timeout_ms == b->old_timeout_ms &&
	       a->moving == b->moving && a->unsettled == b->unsettled &&
	       a->unserved == b->unserved && x->policy.parts == y->policy.parts &&
	       x->policy.overlaps == y->policy.overlaps && x->unsettled == y->unsettled &&
	       x->failed == y->failed && x->state == y->state && x->exit_code == y->exit_code &&
	       x->started == y->started && x->killed == y->killed && x->unhealthy == y->unhealthy &&
	       x->beside == y->beside && x->beside_works == y->beside_works &&
	       x->beside_fails == y->beside_fails && x->alone == y->alone &&
	       x->retried == y->retried && x->next == y->next && x->next_failed == y->next_failed &&
	       x->old == y->old && x->old_killed == y->old_killed && x->restarts == y->restarts &&
	       x->refusals == y->refusals && x->delay_ms == y->delay_ms &&
	       x->timeout_ms == y->timeout_ms;
}

/* Worlds that are the same have the same. */
static size_t
hash(const struct world *world)
{
	const struct lifecycle *life = &world->life;
	const unsigned parts[] = {
		life->state,
		(unsigned)life->exit_code,
		world->server,
		life->old,
		life->restarts,
		life->refusals,
		(unsigned)life->delay_ms,
		(unsigned)life->policy.parts << 15 | (unsigned)life->policy.overlaps << 14 |
		    (unsigned)life->next << 13 | (unsigned)life->killed << 12 |
		    (unsigned)life->unhealthy << 11 | (unsigned)life->unsettled << 10 |
		    (unsigned)life->failed << 9 | (unsigned)life->beside << 8 |
		    (unsigned)life->beside_works << 7 | (unsigned)life->beside_fails << 6 |
		    (unsigned)life->alone << 5 | (unsigned)life->retried << 4 |
		    (unsigned)life->next_failed << 3 | (unsigned)life->old_killed << 2 |
		    (unsigned)life->started << 1 | (unsigned)world->moving,
		(unsigned)life->crowded << 6 | (unsigned)life->policy.diverts << 5 |
		    (unsigned)life->lingers << 4 | (unsigned)world->armed << 3 |
		    (unsigned)world->old_armed << 2 | (unsigned)world->unserved << 1 |
		    (unsigned)world->old_signalled,
	};
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < COUNT(parts); i++)
		sum = (sum ^ parts[i]) * UINT64_C(1099511628211);
	return (size_t)(sum ^ sum >> 32);
}

/* For a failure: who did what, and what came of it. */
static const char *
said(const struct world *before, enum life_event event, const struct world *after)
{
	static char row[256];

	(void)snprintf(row, sizeof row,
	    "%s -> %s by %s (old %d -> %d, next %d -> %d, alone %d, lingers %d, crowded %d, diverts %d, parts %d, overlaps %d)",
	    life_state_name(before->life.state), life_state_name(after->life.state),
	    event_names[event], (int)before->life.old, (int)after->life.old, (int)before->life.next,
	    (int)after->life.next, (int)before->life.alone, (int)before->life.lingers,
	    (int)before->life.crowded, (int)after->life.policy.diverts,
	    (int)after->life.policy.parts, (int)after->life.policy.overlaps);
	return row;
}

enum {
	FOR_TWO = LIFE_PART | LIFE_PROMOTE | LIFE_DISMISS | LIFE_SPAWN_NEXT | LIFE_OLD_SIGNAL |
		  LIFE_OLD_KILL | LIFE_OLD_CLEAR | LIFE_OLD_ARM | LIFE_OLD_DISARM,
};

/* Who is who comes first of all. */
static void
rename_servers(
    const struct world *before, enum life_event event, struct world *after, unsigned actions)
{
#define row said(before, event, after)
	unsigned renamings = actions & (LIFE_PART | LIFE_PROMOTE | LIFE_DISMISS);

	if (!renamings)
		return;
	expect_equal(row, (renamings & (renamings - 1)) == 0, true);
	expect_equal(row, after->old, SERVER_NONE);
	if (renamings == LIFE_DISMISS) {
		expect_equal(row, after->next == SERVER_NONE, false);
		after->old = after->next;
		after->old_signalled = false;
		after->next = SERVER_NONE;
		after->old_timeout_ms = before->timeout_ms;
		return;
	}
	/* Only a server that is there can leave; one that was promoted over may have ended. */
	if (renamings == LIFE_PART || event != LIFE_EV_EXITED)
		expect_equal(row, after->server, SERVER_ALIVE);
	after->old = after->server == SERVER_ALIVE ? SERVER_ALIVE : SERVER_ENDED;
	after->old_signalled = after->signalled;
	after->old_timeout_ms = after->timeout_ms;
	after->signalled = after->diverted = false;
	after->server = SERVER_NONE;
	if (renamings == LIFE_PART) {
		expect_equal(row, after->life.policy.parts, true);
		expect_equal(row, before->life.beside_fails, false);
		expect_equal(row, before->life.killed, false);
		/* One that hangs is waited for, unless somebody wants to have another one at once. */
		expect_equal(row, before->life.unhealthy && event != LIFE_EV_RESTART, false);
		expect_equal(row, !!(actions & LIFE_SPAWN), true);
		/* Only one that nothing comes to any more lingers, and it is not told so twice. */
		expect_equal(row, after->life.old,
		    before->life.lingers || actions & LIFE_DIVERT ? LIFE_OLD_LINGERS
								  : LIFE_OLD_STOPS);
	} else {
		expect_equal(row, after->next, SERVER_ALIVE);
		after->server = SERVER_ALIVE;
		after->next = SERVER_NONE;
	}
#undef row
}

/* Before all, who is who included: what comes anew waits for the next server. */
static void
divert(const struct world *before, enum life_event event, struct world *after, unsigned actions)
{
#define row said(before, event, after)
	if (!(actions & LIFE_DIVERT))
		return;
	expect_equal(row, before->life.policy.diverts, true);
	expect_equal(row, after->server, SERVER_ALIVE);
	expect_equal(row, after->signalled || after->diverted, false);
	/* It is the only one: neither what comes anew nor its place is for anybody else yet. */
	expect_equal(row, after->old == SERVER_NONE && after->next == SERVER_NONE, true);
	expect_equal(row, before->life.next, false);
	/* A server that is to be replaced; one that hangs, ended or stops for good is none. */
	expect_equal(row, before->life.unhealthy || is_ending(&before->life), false);
	expect_equal(row, event == LIFE_EV_UNHEALTHY || event == LIFE_EV_STOP, false);
	expect_equal(row,
	    before->life.state == LIFE_RUNNING || before->life.state == LIFE_OVERLAPPING ||
		(before->life.crowded && before->life.old != LIFE_OLD_NONE),
	    true);
	after->diverted = true;
#undef row
}

/* No third way for connections: it is not signalled before its predecessor is gone, or that takes too long. */
static void
check_crowding(const struct world *before, enum life_event event, const struct world *after,
    struct life_step step)
{
#define row said(before, event, after)
	const unsigned about_old =
	    LIFE_OLD_SIGNAL | LIFE_OLD_KILL | LIFE_OLD_CLEAR | LIFE_OLD_ARM | LIFE_OLD_DISARM;
	const struct lifecycle *was = &before->life, *life = &after->life;
	bool is_gone =
	    event == LIFE_EV_OLD_GONE ||
	    (event == LIFE_EV_OLD_DEADLINE && was->old == LIFE_OLD_CLEARS && was->old_killed);
	unsigned actions = step.actions;

	if (!was->crowded) {
		/* Only somebody's wish for another one, where it would be diverted from. */
		expect_equal(row, life->crowded,
		    was->state == LIFE_RUNNING && was->old != LIFE_OLD_NONE &&
			was->policy.diverts && !was->policy.overlaps &&
			(event == LIFE_EV_RESTART || event == LIFE_EV_CHANGED));
		if (life->crowded) {
			expect_equal(row, actions, LIFE_ARM);
			expect_equal(row, step.delay_ms, LIFE_CROWD_MS);
		}
		return;
	}
	expect_equal(row, life->crowded,
	    !is_gone && event != LIFE_EV_DEADLINE && event != LIFE_EV_STOP &&
		event != LIFE_EV_EXITED);
	if (life->crowded) {
		/* Whatever else: it is bounded, and nobody but its predecessor is told anything. */
		expect_equal(row, life->state, LIFE_RESTARTING);
		expect_equal(row, actions & ~about_old, 0);
	}
	if (is_gone) {
		bool parts = was->policy.parts && !was->beside_fails && !after->unsettled;

		expect_equal(row, !!(actions & LIFE_PART), parts);
		expect_equal(row, !!(actions & LIFE_DIVERT), was->policy.diverts);
		expect_equal(row, !!(actions & (parts ? LIFE_OLD_SIGNAL : LIFE_SIGNAL)),
		    !was->policy.diverts);
		expect_equal(row, life->lingers, was->policy.diverts && !parts);
	}
#undef row
}

static int
count_alive(const struct world *world)
{
	return (world->server == SERVER_ALIVE) + (world->old == SERVER_ALIVE) +
	       (world->next == SERVER_ALIVE);
}

/* `after` with its servers renamed, but nothing else done yet. */
static void
check_actions(const struct world *before, enum life_event event, const struct world *after,
    struct life_step step)
{
#define row said(before, event, after)
	const struct lifecycle *life = &after->life;
	unsigned actions = step.actions;
	bool alive = after->server == SERVER_ALIVE;

	expect_equal(row, actions & LIFE_SPAWN && alive, false);
	expect_equal(row, actions & LIFE_SPAWN && life->state != LIFE_RUNNING, false);
	expect_equal(row, actions & (LIFE_SPAWN | LIFE_SPAWN_NEXT) && after->unsettled, false);
	expect_equal(row, actions & LIFE_SIGNAL && !alive, false);
	expect_equal(row, actions & LIFE_CLEAR && alive, false);
	expect_equal(row, actions & LIFE_ARM && actions & LIFE_DISARM, false);
	expect_equal(row, !!(actions & LIFE_ARM), step.delay_ms > 0);
	expect_equal(row, !!(actions & LIFE_QUIT),
	    life->state == LIFE_DONE && before->life.state != LIFE_DONE);
	if (actions & LIFE_QUIT)
		expect_equal(row, life->exit_code < 0 || life->exit_code > 255, false);
	if (before->quit)
		expect_equal(row, actions, 0);
	if (life->state == LIFE_RUNNING)
		expect_equal(row, life->unhealthy, false);
	if (before->life.state == LIFE_RUNNING && event == LIFE_EV_UNHEALTHY)
		expect_equal(row, life->unhealthy, true);
	if (before->life.state == LIFE_STOPPING && before->life.unhealthy &&
	    event == LIFE_EV_EXITED)
		expect_equal(row, life->exit_code == 0, false);

	/* Not signalled in the same step, but with the next deadline at the latest. */
	if (actions & LIFE_DIVERT) {
		expect_equal(row, actions & (LIFE_SIGNAL | LIFE_KILL | LIFE_OLD_SIGNAL), 0);
		expect_equal(row, !!(actions & LIFE_PART), !life->lingers);
		expect_equal(
		    row, actions & LIFE_PART ? step.old_delay_ms : step.delay_ms, LIFE_LINGER_MS);
	}
	if ((before->life.lingers || before->life.crowded) && event == LIFE_EV_DEADLINE) {
		expect_equal(row, life->state, LIFE_RESTARTING);
		expect_equal(
		    row, actions, LIFE_SIGNAL | (before->timeout_ms > 0 ? LIFE_ARM : LIFE_DISARM));
		expect_equal(row, step.delay_ms, before->timeout_ms);
	}
	if ((before->life.lingers || before->life.crowded) && event == LIFE_EV_STOP) {
		expect_equal(row, life->state, LIFE_STOPPING);
		expect_equal(row, !!(actions & LIFE_SIGNAL), true);
		expect_equal(row, step.delay_ms, life->policy.stop_timeout_ms);
	}
	if (before->life.old == LIFE_OLD_LINGERS && !before->quit &&
	    (event == LIFE_EV_OLD_DEADLINE || event == LIFE_EV_STOP))
		expect_equal(row, !!(actions & LIFE_OLD_SIGNAL), true);
	/* Nobody else lingers, and nobody who lingers is forgotten. */
	expect_equal(row, life->lingers,
	    (actions & LIFE_DIVERT && !(actions & LIFE_PART)) ||
		(before->life.lingers && !(actions & (LIFE_SIGNAL | LIFE_CLEAR | LIFE_PART))));

	/* Two at most, and two only where that is wanted. */
	if (actions & LIFE_SPAWN && after->old == SERVER_ALIVE) {
		expect_equal(row, life->policy.parts || life->policy.overlaps, true);
		expect_equal(row, before->life.alone && event != LIFE_EV_RESTART, false);
	}
	if (actions & LIFE_SPAWN) {
		expect_equal(row, life->beside, after->old != SERVER_NONE);
		/* Who wants one beside a predecessor takes the risk. */
		expect_equal(row, life->retried,
		    before->life.alone &&
			!(before->life.state == LIFE_SETTLING && event == LIFE_EV_RESTART));
		expect_equal(row, life->retried && life->beside, false);
		expect_equal(row, life->alone, false);
	}
	if (actions & LIFE_SPAWN_NEXT) {
		expect_equal(row, life->policy.overlaps, true);
		expect_equal(row, alive && life->state == LIFE_OVERLAPPING, true);
		expect_equal(row, after->old == SERVER_NONE && after->next == SERVER_NONE, true);
		expect_equal(row, step.delay_ms, LIFE_NEXT_MS);
	}
	/* Who has one server has what it had before there could be two. */
	if (!life->policy.parts && !life->policy.overlaps && !before->life.next &&
	    before->life.old == LIFE_OLD_NONE && before->life.state != LIFE_OVERLAPPING) {
		expect_equal(row, actions & FOR_TWO, 0);
		expect_equal(row, life->next || life->old != LIFE_OLD_NONE, false);
	}

	/* What is said about `old` is about somebody. */
	expect_equal(row, actions & LIFE_OLD_SIGNAL && after->old != SERVER_ALIVE, false);
	expect_equal(row, actions & LIFE_OLD_CLEAR && after->old != SERVER_ENDED, false);
	expect_equal(row, actions & LIFE_OLD_KILL && after->old == SERVER_NONE, false);
	expect_equal(row, actions & LIFE_OLD_ARM && after->old == SERVER_NONE, false);
	expect_equal(row, actions & LIFE_OLD_ARM && actions & LIFE_OLD_DISARM, false);
	expect_equal(row, !!(actions & LIFE_OLD_ARM), step.old_delay_ms > 0);
	if (actions & LIFE_OLD_ARM && life->old == LIFE_OLD_LINGERS)
		expect_equal(row, step.old_delay_ms, LIFE_LINGER_MS);
	else if (actions & LIFE_OLD_ARM && life->old == LIFE_OLD_STOPS && !life->old_killed)
		expect_equal(row, step.old_delay_ms, after->old_timeout_ms);
	else if (actions & LIFE_OLD_ARM)
		expect_equal(row, step.old_delay_ms, LIFE_GRACE_MS);
	/* One answer at a time: SPAWN has one at once, and CLEAR of an empty group, too. */
	expect_equal(row,
	    actions & (LIFE_SPAWN | LIFE_SPAWN_NEXT) &&
		actions & (LIFE_CLEAR | LIFE_OLD_CLEAR | LIFE_SWEEP),
	    false);

	if (event == LIFE_EV_NEXT_READY)
		expect_equal(row, !!(actions & LIFE_PROMOTE), true);
	if (event == LIFE_EV_NEXT_ENDED || (event == LIFE_EV_DEADLINE && before->life.next))
		expect_equal(row, !!(actions & LIFE_DISMISS), true);
	/* What was learned is not forgotten. */
	if (!is_ending(life)) {
		expect_equal(row, before->life.beside_works && !life->beside_works, false);
		expect_equal(row, before->life.beside_fails && !life->beside_fails, false);
	}
#undef row
}

static bool
same_step(struct life_step a, struct life_step b)
{
	return a.actions == b.actions && a.delay_ms == b.delay_ms &&
	       a.old_delay_ms == b.old_delay_ms;
}

/* Nobody asks for it but the log: said of the last successor until there is a newer one, or a newer server. */
static void
check_next_failed(const struct world *before, const struct happening *what)
{
	bool fails = what->event == LIFE_EV_NEXT_ENDED ||
		     (what->event == LIFE_EV_DEADLINE && before->life.next);
	struct world after[2] = { *before, *before };
	struct life_step steps[2];

	for (int failed = 0; failed < 2; failed++) {
		struct lifecycle *life = &after[failed].life;
		bool is_newer;

		life->next_failed = failed;
		steps[failed] = lifecycle_step(life, what->event, what->code, what->lived_ms);
		is_newer = steps[failed].actions & (LIFE_PROMOTE | LIFE_SPAWN | LIFE_SPAWN_NEXT);
		expect_equal(said(before, what->event, &after[failed]), life->next_failed,
		    fails || (failed && !is_newer));
		life->next_failed = false;
	}
	expect_equal(said(before, what->event, &after[0]),
	    same_step(steps[0], steps[1]) && same(&after[0], &after[1]), true);
}

/* To divert, or to wait until that is possible, is one thing more before the signal: all else is as it is without. */
static void
check_diverting(const struct world *before, const struct happening *what)
{
#define row said(before, what->event, &with)
	struct world with = *before, without = *before;
	struct life_step step, plain;
	unsigned signal, both = LIFE_PART | LIFE_SPAWN;

	with.life.policy.diverts = true;
	step = lifecycle_step(&with.life, what->event, what->code, what->lived_ms);
	without.life.policy.diverts = false;
	plain = lifecycle_step(&without.life, what->event, what->code, what->lived_ms);
	expect_equal(row, plain.actions & LIFE_DIVERT, 0);
	expect_equal(row, without.life.lingers && !before->life.lingers, false);
	expect_equal(row, without.life.crowded && !before->life.crowded, false);
	without.life.policy.diverts = true;
	signal = step.actions & LIFE_PART ? LIFE_OLD_SIGNAL : LIFE_SIGNAL;
	if (step.actions & LIFE_DIVERT) {
		expect_equal(row, !!(plain.actions & signal), true);
		expect_equal(row, step.actions & both, plain.actions & both);
		if (step.actions & LIFE_PART) {
			expect_equal(row, without.life.old, LIFE_OLD_STOPS);
			without.life.old = LIFE_OLD_LINGERS;
		} else {
			without.life.lingers = true;
		}
	} else if (with.life.crowded && !before->life.crowded) {
		expect_equal(row, with.life.old == LIFE_OLD_NONE, false);
		expect_equal(row, plain.actions & (both | LIFE_SIGNAL), LIFE_SIGNAL);
		without.life.crowded = true;
	} else {
		expect_equal(row, same_step(step, plain), true);
		/* One that is to be replaced is not diverted from, now or later, only if it serves on. */
		if (before->life.state == LIFE_RUNNING &&
		    (what->event == LIFE_EV_RESTART || what->event == LIFE_EV_CHANGED))
			expect_equal(row, with.life.state, LIFE_OVERLAPPING);
	}
	expect_equal(row, same(&with, &without), true);
#undef row
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
	return life->state == LIFE_RESTARTING && !life->lingers && !life->crowded &&
	       (life->killed || world->timeout_ms == 0);
}

/* The lifecycle knows who is there, and nobody hangs. */
static void
check_others(const struct world *world)
{
	const struct lifecycle *life = &world->life;
	const char *state = life_state_name(life->state);

	expect_equal(state, count_alive(world) <= 2, true);
	expect_equal(state, world->next == SERVER_NONE || world->old == SERVER_NONE, true);
	expect_equal(state, life->next, world->next == SERVER_ALIVE);
	if (life->next)
		expect_equal(state, life->state, LIFE_OVERLAPPING);
	if (life->state == LIFE_DONE)
		return; /* whatever happens now */
	switch (life->old) {
	case LIFE_OLD_NONE:
		expect_equal(state, world->old, SERVER_NONE);
		expect_equal(state, world->old_armed, false);
		break;
	case LIFE_OLD_LINGERS:
		expect_equal(state, world->old, SERVER_ALIVE);
		expect_equal(state, world->old_armed && !world->old_signalled, true);
		break;
	case LIFE_OLD_STOPS:
		expect_equal(state, world->old, SERVER_ALIVE);
		expect_equal(state, world->old_signalled, true);
		expect_equal(state, world->old_armed,
		    world->old_timeout_ms > 0 && (!life->old_killed || world->old_armed));
		break;
	case LIFE_OLD_CLEARS:
		expect_equal(state, world->old, SERVER_ENDED);
		expect_equal(state, world->old_armed, true);
		break;
	}
}

/* Something will happen even if nobody asks for anything: a server ends, a deadline or the quiet comes. */
static void
check_progress(const struct world *world)
{
	const struct lifecycle *life = &world->life;
	enum life_state state = life->state;
	const char *name = life_state_name(state);

	check_others(world);
	if (!is_ending(life))
		expect_equal(name, life->unsettled, world->unsettled);
	if (state == LIFE_NEW || state == LIFE_RUNNING || state == LIFE_DONE) {
		expect_equal(name, world->armed, false);
	} else if (state == LIFE_OVERLAPPING) {
		/* For the quiet, for the predecessor to be gone or for the successor to be ready. */
		expect_equal(name, world->server, SERVER_ALIVE);
		expect_equal(name, world->signalled, false);
		expect_equal(name, world->armed, life->next);
		expect_equal(name, life->next && (world->unserved || world->unsettled), false);
		expect_equal(
		    name, life->next || world->unsettled || world->old != SERVER_NONE, true);
	} else if (state == LIFE_SETTLING) {
		expect_equal(name, world->armed, false);
		expect_equal(name, world->unsettled || world->old != SERVER_NONE, true);
	} else if (state == LIFE_WAITING) {
		/* Unless it waits for what has happened already. */
		expect_equal(name, world->armed, false);
		expect_equal(name, world->unsettled || world->unserved, false);
		expect_equal(name, life->policy.waits, true);
		expect_equal(name, life->exit_code == 0, false);
	} else {
		expect_equal(name, world->armed || waits_for_exit(world), true);
	}
	if (life->lingers) {
		expect_equal(name, state, LIFE_RESTARTING);
		expect_equal(name, world->server == SERVER_ALIVE && world->diverted, true);
		expect_equal(name, world->armed && !life->killed && !life->unhealthy, true);
		expect_equal(name, life->old, LIFE_OLD_NONE);
	}
	if (life->crowded) {
		expect_equal(name, state, LIFE_RESTARTING);
		expect_equal(name, world->server, SERVER_ALIVE);
		expect_equal(name, world->signalled || world->diverted || life->lingers, false);
		expect_equal(name, world->armed && !life->killed && !life->unhealthy, true);
		expect_equal(name, life->old == LIFE_OLD_NONE, false);
	}
	if (state == LIFE_RUNNING)
		expect_equal(name, world->unserved, false);
	if (state == LIFE_RUNNING || state == LIFE_OVERLAPPING || state == LIFE_DRAINING)
		expect_equal(name,
		    world->server == SERVER_NONE || world->signalled || world->diverted, false);
	else if (state == LIFE_STOPPING || state == LIFE_RESTARTING)
		expect_equal(name, world->server == SERVER_ALIVE && world->signalled,
		    !life->lingers && !life->crowded);
	else if (state != LIFE_ENDING && state != LIFE_DONE)
		expect_equal(name, world->server, SERVER_NONE);
}

/* What the server is given to stop for this event. */
static uint64_t
timeout_of(const struct world *world, enum life_event event)
{
	const struct life_policy *policy = &world->life.policy;

	if (event == LIFE_EV_STOP)
		return policy->stop_timeout_ms;
	if (world->life.state == LIFE_OVERLAPPING && event == LIFE_EV_UNHEALTHY &&
	    !world->life.next)
		return policy->restart_timeout_ms;
	if (world->life.state != LIFE_RUNNING)
		return world->timeout_ms; /* it was asked before */
	if (event == LIFE_EV_CHANGED)
		return policy->change_timeout_ms;
	return event == LIFE_EV_RESTART || event == LIFE_EV_UNHEALTHY ? policy->restart_timeout_ms
								      : 0;
}

/* One that lingers leaves as the last wish says. */
static bool
is_a_wish(const struct world *world, enum life_event event)
{
	if (world->life.state == LIFE_RUNNING)
		return event == LIFE_EV_STOP || event == LIFE_EV_CHANGED ||
		       event == LIFE_EV_RESTART || event == LIFE_EV_UNHEALTHY;
	return event == LIFE_EV_STOP ||
	       (world->life.state == LIFE_OVERLAPPING && event == LIFE_EV_UNHEALTHY);
}

/* One that hung once too often is not replaced, unless there may be a better one. */
static bool
counts(const struct world *world, enum life_event event)
{
	return event == LIFE_EV_CHANGED ||
	       (event == LIFE_EV_RESTART &&
		   (world->life.state != LIFE_STOPPING || world->life.policy.waits));
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
	if (what->event == LIFE_EV_NEXT_ENDED)
		after.next = SERVER_ENDED;
	if (what->event == LIFE_EV_OLD_EXITED)
		after.old = SERVER_ENDED;
	/* Nothing is left of it, or nobody waits for that. One that is alive is never forgotten. */
	if (what->event == LIFE_EV_OLD_GONE ||
	    (what->event == LIFE_EV_OLD_DEADLINE && before->life.old == LIFE_OLD_CLEARS &&
		before->life.old_killed)) {
		after.old = SERVER_NONE;
		after.old_signalled = false;
		after.old_timeout_ms = 0;
	}
	if (what->event == LIFE_EV_DEADLINE)
		after.armed = false;
	if (what->event == LIFE_EV_OLD_DEADLINE)
		after.old_armed = false;
	after.timeout_ms = timeout_of(before, what->event);
	if (before->life.old == LIFE_OLD_LINGERS && is_a_wish(before, what->event))
		after.old_timeout_ms = after.timeout_ms;
	if (what->event == LIFE_EV_CHANGED)
		after.moving = after.unsettled = true;
	if (counts(before, what->event))
		after.unserved = true;
	if (what->event == LIFE_EV_QUIET)
		after.moving = after.unsettled = false;
	if (what->event == LIFE_EV_RESTART)
		after.unsettled = false;
	step = lifecycle_step(&after.life, what->event, what->code, what->lived_ms);
	check_next_failed(before, what);
	check_diverting(before, what);
	divert(before, what->event, &after, step.actions);
	rename_servers(before, what->event, &after, step.actions);
	check_crowding(before, what->event, &after, step);
	check_actions(before, what->event, &after, step);
	after.signalled = after.signalled || step.actions & LIFE_SIGNAL;
	after.old_signalled = after.old_signalled || step.actions & LIFE_OLD_SIGNAL;
	if (step.actions & LIFE_ARM)
		after.armed = true;
	if (step.actions & LIFE_DISARM)
		after.armed = false;
	if (step.actions & LIFE_OLD_ARM)
		after.old_armed = true;
	if (step.actions & LIFE_OLD_DISARM)
		after.old_armed = false;
	if (step.actions & LIFE_SPAWN)
		after.server = SERVER_ASKED;
	if (step.actions & LIFE_SPAWN_NEXT)
		after.next = SERVER_ALIVE;
	if (step.actions & (LIFE_SPAWN | LIFE_SPAWN_NEXT))
		after.unserved = false;
	if (step.actions & LIFE_QUIT)
		after.quit = true;
	normalise(&after);
	if (after.flips)
		normalise_more(&after);
	check_progress(&after);
	return after;
}

/* Would a state act on this event, however impossible it is now? */
static bool
has_meaning(const struct world *world, enum life_event event)
{
	enum life_state state = world->life.state;

	if (event == LIFE_EV_DEADLINE)
		return state != LIFE_OVERLAPPING;
	if (event == LIFE_EV_OLD_DEADLINE)
		return world->life.old != LIFE_OLD_NONE;
	if (event == LIFE_EV_OLD_EXITED)
		return world->old == SERVER_ALIVE;
	/* Whoever waits looks again whether it has to. */
	if (event == LIFE_EV_QUIET)
		return state == LIFE_RESTARTING || state == LIFE_OVERLAPPING ||
		       state == LIFE_SETTLING;
	if (event == LIFE_EV_OLD_GONE)
		return world->old == SERVER_ENDED;
	if (state == LIFE_RUNNING)
		return event < LIFE_EV_NEXT_READY && event != LIFE_EV_START &&
		       event != LIFE_EV_GONE;
	return state == LIFE_ENDING && event == LIFE_EV_GONE;
}

static void
check_stray_event(const struct world *world, const struct happening *what)
{
	struct world after = *world;
	struct life_step step;

	if (has_meaning(world, what->event))
		return;
	step = lifecycle_step(&after.life, what->event, what->code, what->lived_ms);
	expect_equal(said(world, what->event, &after), step.actions, 0);
	expect_equal(said(world, what->event, &after), same(world, &after), true);
}

enum {
	WORLDS_MAX = 1 << 18,
	STEPS_TO_END_MAX = 5 + 6,   /* of the server, of `old` */
	STEPS_TO_START_MAX = 6 + 6, /* the same */
};

struct worlds {
	struct world all[WORLDS_MAX];
	size_t n;
	unsigned places[2 * WORLDS_MAX]; /* by hash: 1 + the index of a world; 0: none */
	/* 1 + how many steps it is at most; 0: not known, UINT8_MAX: being looked at */
	uint8_t to_end[WORLDS_MAX], to_start[WORLDS_MAX];
	bool seen[LIFE_N_STATES];
	bool seen_old[LIFE_OLD_CLEARS + 1];
	bool seen_lingering, seen_crowded;
};

/* Where it is, or would be. */
static unsigned *
place_of(struct worlds *worlds, const struct world *world)
{
	size_t at = hash(world) % COUNT(worlds->places);

	while (worlds->places[at] > 0 && !same(&worlds->all[worlds->places[at] - 1], world))
		at = (at + 1) % COUNT(worlds->places);
	return &worlds->places[at];
}

static void
add_world(struct worlds *worlds, const struct world *world)
{
	unsigned *place = place_of(worlds, world);

	if (*place > 0)
		return;
	assert_true(worlds->n < WORLDS_MAX);
	worlds->all[worlds->n++] = *world;
	*place = (unsigned)worlds->n;
	worlds->seen[world->life.state] = true;
	worlds->seen_old[world->life.old] = true;
	worlds->seen_lingering = worlds->seen_lingering || world->life.lingers;
	worlds->seen_crowded = worlds->seen_crowded || world->life.crowded;
}

static size_t
find_world(struct worlds *worlds, const struct world *world)
{
	unsigned place = *place_of(worlds, world);

	expect_equal(life_state_name(world->life.state), place > 0, true);
	return place - 1;
}

/* Nobody at an editor, and no probe, keeps a container from ending. */
static void
check_wishes_mean_nothing(const struct world *world)
{
	static const enum life_event events[] = { LIFE_EV_CHANGED, LIFE_EV_QUIET, LIFE_EV_RESTART,
		LIFE_EV_UNHEALTHY, LIFE_EV_NEXT_READY, LIFE_EV_NEXT_ENDED };

	for (size_t i = 0; i < COUNT(events); i++) {
		struct world after = *world;
		struct life_step step = lifecycle_step(&after.life, events[i], 0, 1);

		expect_equal(event_names[events[i]], same(&after, world), true);
		expect_equal(event_names[events[i]], step.actions, 0);
	}
}

/*
 * What the kernel and the clock do by themselves leads to the end, in whatever order they do it.
 * Returns how many steps it takes at most.
 */
static uint8_t
check_end(struct worlds *worlds, size_t index)
{
	const struct world *world = &worlds->all[index];
	const char *state = life_state_name(world->life.state);
	bool happened = false;
	uint8_t most = 0;

	if (worlds->to_end[index] > 0) {
		expect_equal(state, worlds->to_end[index] == UINT8_MAX, false); /* for ever */
		return worlds->to_end[index] - 1;
	}
	worlds->to_end[index] = UINT8_MAX;
	expect_equal(state, is_ending(&world->life), true);
	check_wishes_mean_nothing(world);
	for (size_t i = 0; i < COUNT(by_themselves) && world->life.state != LIFE_DONE; i++) {
		struct world after;
		uint8_t steps;

		if (!can_happen(world, by_themselves[i].event))
			continue;
		happened = true;
		after = follow(world, &by_themselves[i]);
		expect_equal("started after STOP",
		    after.server == SERVER_ASKED || after.next != SERVER_NONE, false);
		steps = check_end(worlds, find_world(worlds, &after)) + 1;
		most = steps > most ? steps : most;
	}
	expect_equal(state, happened || world->life.state == LIFE_DONE, true);
	worlds->to_end[index] = most + 1;
	return most;
}

static void
check_stop(struct worlds *worlds, const struct world *world)
{
	static const struct happening stop = { LIFE_EV_STOP, 0, 1 };
	struct world after;

	if (!can_happen(world, LIFE_EV_STOP))
		return;
	after = follow(world, &stop);
	expect_equal(life_state_name(world->life.state),
	    check_end(worlds, find_world(worlds, &after)) <= STEPS_TO_END_MAX, true);
}

/*
 * What the kernel and the clock do by themselves leads to a server that is younger than the wish
 * for one, in whatever order they do it: at once, not after a back-off.
 */
static uint8_t
check_start(struct worlds *worlds, size_t index)
{
	const struct world *world = &worlds->all[index];
	enum life_state state = world->life.state;
	bool happened = false;
	uint8_t most = 0;

	if (!world->unserved)
		return 0;
	if (worlds->to_start[index] > 0) {
		expect_equal(life_state_name(state), worlds->to_start[index] == UINT8_MAX, false);
		return worlds->to_start[index] - 1;
	}
	worlds->to_start[index] = UINT8_MAX;
	expect_equal(
	    life_state_name(state), state == LIFE_BACKOFF || is_ending(&world->life), false);
	for (size_t i = 0; i < COUNT(by_themselves); i++) {
		struct world after;
		uint8_t steps;

		if (!can_happen(world, by_themselves[i].event))
			continue;
		happened = true;
		after = follow(world, &by_themselves[i]);
		steps = check_start(worlds, find_world(worlds, &after)) + 1;
		most = steps > most ? steps : most;
	}
	expect_equal(life_state_name(state), happened, true);
	worlds->to_start[index] = most + 1;
	return most;
}

/* A wish in whatever phase, with the quiet in whatever phase after it, is not lost. */
static void
check_wishes(struct worlds *worlds, const struct world *world)
{
	static const struct happening wishes[] = { { LIFE_EV_CHANGED, 0, 1 },
		{ LIFE_EV_RESTART, 0, 1 } };
	static const struct happening quiet = { LIFE_EV_QUIET, 0, 1 };
	const char *state = life_state_name(world->life.state);
	struct world after = *world;

	if (is_ending(&world->life))
		return;
	if (world->unserved) {
		if (world->unsettled)
			after = follow(world, &quiet);
		expect_equal(state,
		    check_start(worlds, find_world(worlds, &after)) <= STEPS_TO_START_MAX, true);
	}
	for (size_t i = 0; i < COUNT(wishes); i++) {
		if (!can_happen(world, wishes[i].event) || !counts(world, wishes[i].event))
			continue;
		after = follow(world, &wishes[i]);
		expect_equal(state, after.life.unsettled, wishes[i].event == LIFE_EV_CHANGED);
		if (after.unsettled)
			after = follow(&after, &quiet);
		expect_equal(state,
		    check_start(worlds, find_world(worlds, &after)) <= STEPS_TO_START_MAX, true);
	}
}

/* Whether the socket is held and servers may be two is found out while they live. */
static void
add_flipped_worlds(struct worlds *worlds, const struct world *world)
{
	struct world flipped = *world;

	flipped.life.policy.diverts = !flipped.life.policy.diverts;
	normalise_more(&flipped);
	add_world(worlds, &flipped);
	flipped = *world;
	flipped.life.policy.parts = !flipped.life.policy.parts;
	add_world(worlds, &flipped);
	flipped = *world;
	flipped.life.policy.overlaps = !flipped.life.policy.overlaps;
	add_world(worlds, &flipped);
}

/* Breadth first: the list is its own queue. */
static void
explore(const struct life_policy *policy, bool flips, struct worlds *worlds)
{
	struct world first = { .flips = flips };

	lifecycle_init(&first.life, policy);
	worlds->n = 0;
	memset(worlds->places, 0, sizeof worlds->places);
	memset(worlds->to_end, 0, sizeof worlds->to_end);
	memset(worlds->to_start, 0, sizeof worlds->to_start);
	memset(worlds->seen, 0, sizeof worlds->seen);
	memset(worlds->seen_old, 0, sizeof worlds->seen_old);
	worlds->seen_lingering = worlds->seen_crowded = false;
	add_world(worlds, &first);
	for (size_t i = 0; i < worlds->n; i++) {
		const struct world *world = &worlds->all[i];

		for (size_t h = 0; h < COUNT(happenings); h++) {
			struct world after;

			if (!can_happen(world, happenings[h].event)) {
				check_stray_event(world, &happenings[h]);
				continue;
			}
			after = follow(world, &happenings[h]);
			add_world(worlds, &after);
		}
		if (flips)
			add_flipped_worlds(worlds, world);
	}
	for (size_t i = 0; i < worlds->n; i++) {
		check_stop(worlds, &worlds->all[i]);
		check_wishes(worlds, &worlds->all[i]);
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
		{ .restart = LIFE_RESTART_NO, .diverts = true },
		{ .restart = LIFE_RESTART_ON_FAILURE,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 80,
		    .restart_limit = 2,
		    .drain_delay_ms = 10,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 20,
		    .waits = true,
		    .change_timeout_ms = 30,
		    .diverts = true },
	};
	/* Which of them divert or let servers be two is up to the moment. */
	static const struct life_policy flipping[] = {
		{ .restart = LIFE_RESTART_NO },
		{ .restart = LIFE_RESTART_ALWAYS,
		    .restart_delay_ms = 10,
		    .restart_delay_max_ms = 10,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 20,
		    .change_timeout_ms = 30 },
		{ .restart = LIFE_RESTART_ON_FAILURE,
		    .restart_limit = 1,
		    .drain_delay_ms = 10,
		    .stop_timeout_ms = 10,
		    .restart_timeout_ms = 10,
		    .waits = true },
		{ .restart = LIFE_RESTART_NO, .waits = true, .change_timeout_ms = 10 },
	};
	static struct worlds worlds;
	bool seen[LIFE_N_STATES] = { false };

	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		explore(&policies[i], false, &worlds);
		expect_equal("old", worlds.seen_old[LIFE_OLD_STOPS], false);
		expect_equal("lingering", worlds.seen_lingering, policies[i].diverts);
		expect_equal("crowded", worlds.seen_crowded, false);
		for (enum life_state s = 0; s < LIFE_N_STATES; s++)
			seen[s] = seen[s] || worlds.seen[s];
	}
	for (enum life_state s = 0; s < LIFE_N_STATES; s++)
		expect_equal(life_state_name(s), seen[s], s != LIFE_OVERLAPPING);
	for (size_t i = 0; i < COUNT(flipping); i++) {
		explore(&flipping[i], true, &worlds);
		assert_true(worlds.seen[LIFE_OVERLAPPING]);
		assert_true(worlds.seen_lingering && worlds.seen_crowded);
		for (enum life_old old = 0; old <= LIFE_OLD_CLEARS; old++)
			expect_equal("old", worlds.seen_old[old], true);
	}
}

/* The driver does the actions of a step in the order of their values, but those from LIFE_PART on first. */
static void
what_is_left_is_signalled_before_the_next_server_is_started(void **state)
{
	(void)state;
	assert_true(LIFE_KILL < LIFE_SPAWN);
	assert_true(LIFE_CLEAR < LIFE_SPAWN);
	assert_true(LIFE_SPAWN < LIFE_PART && LIFE_QUIT < LIFE_PART && LIFE_PART < LIFE_DIVERT);
	assert_true(LIFE_PROMOTE < LIFE_OLD_SIGNAL && LIFE_DISMISS < LIFE_OLD_SIGNAL);
	assert_true(LIFE_PART < LIFE_OLD_SIGNAL);
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
		cmocka_unit_test(a_restart_starts_the_next_server_while_the_last_one_stops),
		cmocka_unit_test(a_predecessor_that_does_not_stop_is_killed_with_what_it_left),
		cmocka_unit_test(without_a_timeout_no_predecessor_is_killed),
		cmocka_unit_test(a_change_parts_when_the_tree_is_quiet),
		cmocka_unit_test(a_third_server_waits_for_the_first),
		cmocka_unit_test(after_a_crash_or_a_hang_servers_come_one_after_the_other),
		cmocka_unit_test(
		    a_server_that_fails_beside_its_predecessor_is_started_once_more_without),
		cmocka_unit_test(
		    a_server_that_lived_beside_its_predecessor_fails_for_another_reason),
		cmocka_unit_test(the_retry_alone_is_not_forgotten),
		cmocka_unit_test(a_successor_takes_over_when_it_is_ready),
		cmocka_unit_test(for_a_change_the_successor_starts_when_the_tree_is_quiet),
		cmocka_unit_test(a_successor_that_fails_leaves_the_server_alone),
		cmocka_unit_test(a_successor_that_is_not_ready_in_time_is_stopped),
		cmocka_unit_test(a_wish_while_a_successor_boots_brings_another_one),
		cmocka_unit_test(a_stop_while_a_successor_boots_stops_both),
		cmocka_unit_test(
		    a_server_that_ends_before_its_successor_is_ready_leaves_it_the_place),
		cmocka_unit_test(a_predecessor_lingers_before_it_is_told_to_stop),
		cmocka_unit_test(a_server_that_hangs_while_a_restart_waits_is_not_waited_for),
		cmocka_unit_test(what_is_allowed_may_change_meanwhile),
		cmocka_unit_test(a_stop_while_the_predecessor_leaves_is_the_end),
		cmocka_unit_test(
		    a_successor_proves_nothing_about_servers_that_are_started_beside_each_other),
		cmocka_unit_test(a_change_tells_too_whether_servers_can_live_beside_each_other),
		cmocka_unit_test(neither_a_retry_nor_a_restart_that_waits_has_a_back_off),
		cmocka_unit_test(a_server_to_be_replaced_gets_what_is_on_its_way_before_the_signal),
		cmocka_unit_test(a_predecessor_gets_what_is_on_its_way_before_the_signal),
		cmocka_unit_test(without_a_timeout_lingering_ends_all_the_same),
		cmocka_unit_test(a_server_that_ends_while_it_lingers_is_replaced_all_the_same),
		cmocka_unit_test(a_stop_while_a_server_lingers_is_passed_on_at_once),
		cmocka_unit_test(a_change_while_a_server_lingers_has_to_settle_too),
		cmocka_unit_test(nobody_lingers_beside_a_predecessor),
		cmocka_unit_test(a_predecessor_that_takes_too_long_is_not_waited_for),
		cmocka_unit_test(
		    a_stop_while_a_server_waits_for_its_predecessor_is_passed_on_at_once),
		cmocka_unit_test(
		    a_server_that_ends_while_it_waits_for_its_predecessor_is_replaced_all_the_same),
		cmocka_unit_test(
		    a_wish_while_a_server_waits_for_its_predecessor_only_settles_or_unsettles),
		cmocka_unit_test(one_that_hangs_does_not_wait_for_its_predecessor),
		cmocka_unit_test(one_that_waited_for_its_predecessor_leaves_as_is_allowed_then),
		cmocka_unit_test(a_server_that_hangs_or_crashes_is_not_diverted_from),
		cmocka_unit_test(a_server_that_fails_beside_one_that_lingers_is_retried_without_it),
		cmocka_unit_test(a_server_whose_successor_is_awaited_is_not_diverted_from),
		cmocka_unit_test(one_that_lingers_does_so_to_the_end_whatever_is_allowed),
		cmocka_unit_test(a_newer_server_than_the_last_successor_has_not_failed),
		cmocka_unit_test(every_state_that_can_be_reached_keeps_the_rules),
		cmocka_unit_test(what_is_left_is_signalled_before_the_next_server_is_started),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
