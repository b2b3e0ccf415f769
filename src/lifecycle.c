/* SPDX-License-Identifier: MIT */
/* The life of the server: (state, event, now) to (state, actions). */
#include "lifecycle.h"

#include "exit_code.h"

enum {
	REFUSAL_DELAY_MS = 100,
};

static const char names[LIFE_N_STATES][12] = {
	[LIFE_NEW] = "new",
	[LIFE_RUNNING] = "running",
	[LIFE_OVERLAPPING] = "overlapping",
	[LIFE_DRAINING] = "draining",
	[LIFE_STOPPING] = "stopping",
	[LIFE_RESTARTING] = "restarting",
	[LIFE_CLEARING] = "clearing",
	[LIFE_SETTLING] = "settling",
	[LIFE_WAITING] = "waiting",
	[LIFE_BACKOFF] = "backoff",
	[LIFE_ENDING] = "ending",
	[LIFE_DONE] = "done",
};

const char *
life_state_name(enum life_state state)
{
	return names[state];
}

void
lifecycle_init(struct lifecycle *life, const struct life_policy *policy)
{
	*life = (struct lifecycle){ .policy = *policy, .state = LIFE_NEW };
}

static struct life_step
stay(void)
{
	return (struct life_step){ 0 };
}

static struct life_step
go(struct lifecycle *life, enum life_state state, unsigned actions)
{
	life->state = state;
	return (struct life_step){ .actions = actions };
}

static struct life_step
go_with_deadline(struct lifecycle *life, enum life_state state, unsigned actions, uint64_t delay_ms)
{
	life->state = state;
	return (struct life_step){ .actions = actions | LIFE_ARM, .delay_ms = delay_ms };
}

static struct life_step
spawn(struct lifecycle *life)
{
	life->killed = false;
	life->unhealthy = false;
	life->unsettled = false;
	life->failed = false;
	life->beside = life->old != LIFE_OLD_NONE;
	life->retried = life->alone;
	life->alone = false;
	life->next_failed = false;
	return go(life, LIFE_RUNNING, LIFE_SPAWN | LIFE_DISARM);
}

static struct life_step
end(struct lifecycle *life, int code)
{
	life->exit_code = code;
	return go_with_deadline(life, LIFE_ENDING, LIFE_SWEEP, LIFE_GRACE_MS);
}

/* Is the predecessor in the way of the next server? */
static bool
must_wait(const struct lifecycle *life)
{
	return life->old != LIFE_OLD_NONE &&
	       (life->alone || !(life->policy.parts || life->policy.overlaps));
}

/* Now, or when the predecessor is gone. */
static struct life_step
spawn_when_alone(struct lifecycle *life)
{
	return must_wait(life) ? go(life, LIFE_SETTLING, LIFE_DISARM) : spawn(life);
}

/* Nothing is left of the last server: wait for what has to be waited for, then start. */
static struct life_step
start_again(struct lifecycle *life)
{
	if (life->unsettled)
		return go(life, LIFE_SETTLING, LIFE_DISARM);
	if (life->failed)
		return go(life, LIFE_WAITING, LIFE_DISARM);
	if (must_wait(life))
		return go(life, LIFE_SETTLING, LIFE_DISARM);
	if (life->delay_ms == 0)
		return spawn(life);
	return go_with_deadline(life, LIFE_BACKOFF, 0, life->delay_ms);
}

/* restart_delay, doubled for each restart since a stable life, up to restart_delay_max. */
static uint64_t
restart_delay(const struct lifecycle *life)
{
	uint64_t delay = life->policy.restart_delay_ms, max = life->policy.restart_delay_max_ms;

	for (unsigned i = 0; i < life->restarts && delay > 0 && delay < max; i++)
		delay *= 2;
	return delay < max ? delay : max;
}

static bool
is_used_up(const struct lifecycle *life)
{
	return life->policy.restart_limit > 0 && life->restarts >= life->policy.restart_limit;
}

static bool
policy_restarts(const struct lifecycle *life, int code)
{
	const struct life_policy *policy = &life->policy;

	if (is_used_up(life))
		return false;
	return policy->restart == LIFE_RESTART_ALWAYS ||
	       (policy->restart == LIFE_RESTART_ON_FAILURE && code != 0);
}

/* One that lived long enough starts with a clean slate. */
static void
forgive(struct lifecycle *life, uint64_t now_ms)
{
	if (now_ms - life->started_ms >= LIFE_STABLE_MS)
		life->restarts = 0;
}

/* What the last server left in its group goes first. */
static struct life_step
clear(struct lifecycle *life)
{
	life->killed = false;
	life->lingers = life->crowded = false;
	return go_with_deadline(life, LIFE_CLEARING, LIFE_CLEAR, LIFE_GRACE_MS);
}

/* The server failed for good: in a dev container until a change. */
static struct life_step
give_up(struct lifecycle *life, int code)
{
	if (!life->policy.waits || code == EXIT_CODE_OK)
		return end(life, code);
	life->exit_code = code;
	life->restarts = 0;
	life->failed = true;
	return clear(life);
}

/* New code: no back-off, and it starts with a clean slate. Without a server there is nothing to stop. */
static void
changed(struct lifecycle *life)
{
	life->unsettled = true;
	life->alone = false;
	life->failed = false;
	life->unhealthy = false;
	life->delay_ms = 0;
	life->restarts = 0;
	life->refusals = 0;
}

/* Can this server be started while its predecessor stops? File locks, ports and GPUs may be in the way. */
static void
judge(struct lifecycle *life, uint64_t now_ms)
{
	if (now_ms - life->started_ms < LIFE_PROOF_MS)
		return;
	life->beside_works = life->beside_works || life->beside;
	life->beside_fails = life->beside_fails || life->retried;
}

/* The server ended and nobody had asked for it. */
static struct life_step
ended_by_itself(struct lifecycle *life, int code, uint64_t now_ms)
{
	forgive(life, now_ms);
	life->exit_code = code;
	if (life->beside && !life->beside_works && code != EXIT_CODE_OK) {
		life->alone = true;
		life->delay_ms = 0;
		return clear(life);
	}
	if (!policy_restarts(life, code))
		return give_up(life, code);
	life->delay_ms = restart_delay(life);
	life->restarts++;
	return clear(life);
}

/* The system has nothing to start a process with; that may pass, unlike a bad command. */
static struct life_step
refused(struct lifecycle *life)
{
	if (life->refusals >= LIFE_REFUSALS_MAX)
		return end(life, EXIT_CODE_REFUSED);
	life->exit_code = EXIT_CODE_REFUSED;
	life->delay_ms = (uint64_t)REFUSAL_DELAY_MS << life->refusals;
	life->refusals++;
	life->alone = life->retried; /* it still has to be */
	return go_with_deadline(life, LIFE_BACKOFF, 0, life->delay_ms);
}

static struct life_step
failed(struct lifecycle *life, int code, uint64_t now_ms)
{
	/* A command that never worked will not work the next time. */
	if (!life->started)
		return end(life, code);
	life->started_ms = now_ms; /* it did not live at all */
	return ended_by_itself(life, code, now_ms);
}

/* Ask the server to stop; it has `timeout_ms`, or for ever if that is 0. */
static struct life_step
ask(struct lifecycle *life, enum life_state state, uint64_t timeout_ms)
{
	life->timeout_ms = timeout_ms;
	life->lingers = life->crowded = false;
	if (timeout_ms == 0)
		return go(life, state, LIFE_SIGNAL | LIFE_DISARM);
	return go_with_deadline(life, state, LIFE_SIGNAL, timeout_ms);
}

static struct life_step
stop(struct lifecycle *life)
{
	if (life->policy.drain_delay_ms > 0)
		return go_with_deadline(life, LIFE_DRAINING, 0, life->policy.drain_delay_ms);
	return ask(life, LIFE_STOPPING, life->policy.stop_timeout_ms);
}

/* ---- the predecessor ---- */

/* `old` has this long to stop. */
static struct life_step
old_stops(struct lifecycle *life, unsigned actions, uint64_t timeout_ms)
{
	life->old = LIFE_OLD_STOPS;
	life->old_killed = false;
	return (struct life_step){
		.actions = actions | (timeout_ms > 0 ? LIFE_OLD_ARM : LIFE_OLD_DISARM),
		.old_delay_ms = timeout_ms,
	};
}

/* What an ended one left in its group goes. */
static struct life_step
old_clears(struct lifecycle *life, unsigned actions)
{
	life->old = LIFE_OLD_CLEARS;
	life->old_killed = false;
	return (struct life_step){
		.actions = actions | LIFE_OLD_CLEAR | LIFE_OLD_ARM,
		.old_delay_ms = LIFE_GRACE_MS,
	};
}

static struct life_step
old_kill(struct lifecycle *life)
{
	life->old_killed = true;
	return (struct life_step){
		.actions = LIFE_OLD_KILL | LIFE_OLD_ARM,
		.old_delay_ms = LIFE_GRACE_MS,
	};
}

static bool
may_part(const struct lifecycle *life)
{
	return life->policy.parts && !life->beside_fails && life->old == LIFE_OLD_NONE &&
	       !life->killed && !life->unhealthy;
}

/* The next server starts now; the last one, signalled already or by `actions`, goes on stopping. */
static struct life_step
part(struct lifecycle *life, unsigned actions)
{
	struct life_step step = old_stops(life, actions | LIFE_PART, life->timeout_ms);

	if (life->lingers) {
		life->old = LIFE_OLD_LINGERS;
		step.actions |= LIFE_OLD_ARM;
		step.actions &= ~(unsigned)LIFE_OLD_DISARM;
		step.old_delay_ms = LIFE_LINGER_MS;
	}
	life->lingers = false;
	step.actions |= spawn(life).actions;
	return step;
}

static struct life_step
part_if_quiet(struct lifecycle *life)
{
	if (life->unsettled || life->crowded || !may_part(life))
		return stay();
	return part(life, 0);
}

/* Ask it to stop, when it has got what is on its way to it. */
static struct life_step
ask_to_restart(struct lifecycle *life)
{
	if (!life->policy.diverts)
		return ask(life, LIFE_RESTARTING, life->timeout_ms);
	if (life->old != LIFE_OLD_NONE) {
		life->crowded = true;
		return go_with_deadline(life, LIFE_RESTARTING, 0, LIFE_CROWD_MS);
	}
	life->lingers = true;
	return go_with_deadline(life, LIFE_RESTARTING, LIFE_DIVERT, LIFE_LINGER_MS);
}

/* The next server at once, or when the last one is gone. */
static struct life_step
part_or_ask(struct lifecycle *life)
{
	if (!may_part(life))
		return ask_to_restart(life);
	life->lingers = life->policy.diverts;
	return part(life, life->lingers ? LIFE_DIVERT : LIFE_OLD_SIGNAL);
}

/* ---- the successor ---- */

static struct life_step
spawn_next(struct lifecycle *life, uint64_t now_ms)
{
	if (life->unsettled || life->next || life->old != LIFE_OLD_NONE)
		return stay();
	if (!life->policy.overlaps) /* any more */
		return part_or_ask(life);
	life->next = true;
	life->next_failed = false;
	life->next_started_ms = now_ms;
	return go_with_deadline(life, LIFE_OVERLAPPING, LIFE_SPAWN_NEXT, LIFE_NEXT_MS);
}

/* The server serves on; a successor comes when the tree is quiet and the predecessor of old is gone. */
static struct life_step
overlap(struct lifecycle *life, uint64_t now_ms)
{
	life->state = LIFE_OVERLAPPING;
	return spawn_next(life, now_ms);
}

static void
succeed(struct lifecycle *life)
{
	life->state = LIFE_RUNNING;
	life->next = false;
	life->next_failed = false;
	life->beside = false;
	life->retried = false;
	life->refusals = 0;
	life->started_ms = life->next_started_ms;
}

/* It took too long, or is not wanted any more. */
static struct life_step
dismiss(struct lifecycle *life)
{
	if (!life->next)
		return stay();
	life->next = false;
	return old_stops(life, LIFE_DISMISS | LIFE_OLD_SIGNAL, life->timeout_ms);
}

/* Another server, because somebody wants it. */
static struct life_step
restart(struct lifecycle *life, uint64_t now_ms)
{
	const struct life_policy *policy = &life->policy;

	life->timeout_ms = policy->restart_timeout_ms;
	if (policy->overlaps)
		return overlap(life, now_ms);
	return part_or_ask(life);
}

/* The same for new code. */
static struct life_step
restart_changed(struct lifecycle *life, uint64_t now_ms)
{
	changed(life);
	life->timeout_ms = life->policy.change_timeout_ms;
	if (life->policy.overlaps)
		return overlap(life, now_ms);
	return ask_to_restart(life);
}

/* It hangs: as if it had ended in failure, but it still has to be stopped. Nobody needs a drain. */
static struct life_step
replace(struct lifecycle *life, uint64_t now_ms)
{
	forgive(life, now_ms);
	life->unhealthy = true;
	return ask(life, is_used_up(life) ? LIFE_STOPPING : LIFE_RESTARTING,
	    life->policy.restart_timeout_ms);
}

/* A server that hung has failed, whatever it says when it is stopped. */
static int
final_code(const struct lifecycle *life, int code)
{
	return life->unhealthy && code == EXIT_CODE_OK ? EXIT_CODE_UNHEALTHY : code;
}

static struct life_step
kill_group(struct lifecycle *life)
{
	life->killed = true;
	return go_with_deadline(life, life->state, LIFE_KILL, LIFE_GRACE_MS);
}

/*
 * Told to stop during a restart: passed on like every further stop, because the restart's signal
 * may have been another one, and "at once" is what a second one means to many servers.
 */
static struct life_step
stop_wins(struct lifecycle *life)
{
	life->unhealthy = false; /* it is stopped because somebody wants that */
	return ask(
	    life, LIFE_STOPPING, life->killed ? LIFE_GRACE_MS : life->policy.stop_timeout_ms);
}

static struct life_step
in_new(struct lifecycle *life, enum life_event event)
{
	return event == LIFE_EV_START ? spawn(life) : stay();
}

static struct life_step
in_running(struct lifecycle *life, enum life_event event, int code, uint64_t now_ms)
{
	switch (event) {
	case LIFE_EV_SPAWNED:
		life->started = true;
		life->started_ms = now_ms;
		life->refusals = 0;
		return stay();
	case LIFE_EV_REFUSED:
		return refused(life);
	case LIFE_EV_FAILED:
		return failed(life, code, now_ms);
	case LIFE_EV_EXITED:
		judge(life, now_ms);
		return ended_by_itself(life, code, now_ms);
	case LIFE_EV_STOP:
		return stop(life);
	case LIFE_EV_RESTART:
		judge(life, now_ms);
		return restart(life, now_ms);
	case LIFE_EV_UNHEALTHY:
		return replace(life, now_ms);
	case LIFE_EV_CHANGED:
		judge(life, now_ms);
		return restart_changed(life, now_ms);
	case LIFE_EV_START:
	case LIFE_EV_GONE:
	case LIFE_EV_QUIET:
	case LIFE_EV_DEADLINE:
	case LIFE_EV_NEXT_READY:
	case LIFE_EV_NEXT_ENDED:
	case LIFE_EV_OLD_EXITED:
	case LIFE_EV_OLD_GONE:
	case LIFE_EV_OLD_DEADLINE:
	case LIFE_N_EVENTS:
		break;
	}
	return stay();
}

/* The server ended before its successor was ready, which is all there is now. */
static struct life_step
ended_overlapping(struct lifecycle *life, int code)
{
	struct life_step step;

	life->exit_code = code;
	life->delay_ms = 0;
	if (!life->next)
		return clear(life);
	step = old_clears(life, LIFE_PROMOTE | LIFE_DISARM);
	succeed(life);
	return step;
}

static struct life_step
in_overlapping(struct lifecycle *life, enum life_event event, int code, uint64_t now_ms)
{
	struct life_step step;

	switch (event) {
	case LIFE_EV_NEXT_READY:
		if (!life->next)
			return stay();
		succeed(life);
		life->old = LIFE_OLD_LINGERS;
		return (struct life_step){
			.actions = LIFE_PROMOTE | LIFE_DISARM | LIFE_OLD_ARM,
			.old_delay_ms = LIFE_LINGER_MS,
		};
	case LIFE_EV_NEXT_ENDED:
		if (!life->next)
			return stay();
		life->state = LIFE_RUNNING;
		life->next = false;
		life->next_failed = true;
		return old_clears(life, LIFE_DISMISS | LIFE_DISARM);
	case LIFE_EV_DEADLINE:
		if (!life->next)
			return stay();
		life->state = LIFE_RUNNING;
		life->next_failed = true;
		return dismiss(life);
	case LIFE_EV_EXITED:
		return ended_overlapping(life, code);
	case LIFE_EV_STOP: {
		const struct life_step parting = dismiss(life);

		step = stop(life);
		step.actions |= parting.actions;
		step.old_delay_ms = parting.old_delay_ms;
		return step;
	}
	case LIFE_EV_CHANGED:
		changed(life);
		step = dismiss(life);
		step.actions |= LIFE_DISARM;
		return step;
	case LIFE_EV_UNHEALTHY:
		/* It is replaced anyway, but it cannot serve until then. */
		return life->next ? stay()
				  : ask(life, LIFE_RESTARTING, life->policy.restart_timeout_ms);
	case LIFE_EV_RESTART:
		life->unsettled = false;
		if (!life->next)
			return spawn_next(life, now_ms);
		step = dismiss(life); /* it may be older than what is to be taken over */
		step.actions |= LIFE_DISARM;
		return step;
	case LIFE_EV_QUIET:
		life->unsettled = false;
		return spawn_next(life, now_ms);
	case LIFE_EV_OLD_GONE:
		return spawn_next(life, now_ms);
	case LIFE_EV_START:
	case LIFE_EV_SPAWNED:
	case LIFE_EV_REFUSED:
	case LIFE_EV_FAILED:
	case LIFE_EV_GONE:
	case LIFE_EV_OLD_EXITED:
	case LIFE_EV_OLD_DEADLINE:
	case LIFE_N_EVENTS:
		break;
	}
	return stay();
}

static struct life_step
in_draining(struct lifecycle *life, enum life_event event, int code)
{
	if (event == LIFE_EV_EXITED)
		return end(life, code);
	if (event == LIFE_EV_STOP || event == LIFE_EV_DEADLINE)
		return ask(life, LIFE_STOPPING, life->policy.stop_timeout_ms);
	return stay();
}

static struct life_step
in_stopping(struct lifecycle *life, enum life_event event, int code)
{
	switch (event) {
	case LIFE_EV_EXITED:
		/* One that hung too often has failed; any other was told to stop. */
		code = final_code(life, code);
		return life->unhealthy ? give_up(life, code) : end(life, code);
	case LIFE_EV_STOP:
		/* Said again: passed on again, because a second signal means "at once" to many servers. */
		life->unhealthy = false; /* now it is stopped because somebody wants that */
		return (struct life_step){ .actions = LIFE_SIGNAL };
	case LIFE_EV_DEADLINE:
		/* Even SIGKILL can be outlived, in the kernel or under a debugger. We do not wait for that. */
		return life->killed ? end(life, EXIT_CODE_KILLED) : kill_group(life);
	case LIFE_EV_CHANGED:
	case LIFE_EV_RESTART:
		/* One that hung too often and was given up: in a dev container nothing is for good. */
		if (life->unhealthy && (life->policy.waits || event == LIFE_EV_CHANGED)) {
			changed(life);
			life->unsettled = event == LIFE_EV_CHANGED;
			life->state = LIFE_RESTARTING;
		}
		return stay();
	case LIFE_EV_START:
	case LIFE_EV_SPAWNED:
	case LIFE_EV_REFUSED:
	case LIFE_EV_FAILED:
	case LIFE_EV_GONE:
	case LIFE_EV_UNHEALTHY:
	case LIFE_EV_QUIET:
	case LIFE_EV_NEXT_READY:
	case LIFE_EV_NEXT_ENDED:
	case LIFE_EV_OLD_EXITED:
	case LIFE_EV_OLD_GONE:
	case LIFE_EV_OLD_DEADLINE:
	case LIFE_N_EVENTS:
		break;
	}
	return stay();
}

static struct life_step
in_restarting(struct lifecycle *life, enum life_event event, int code)
{
	switch (event) {
	case LIFE_EV_EXITED:
		life->exit_code = final_code(life, code);
		life->delay_ms = life->unhealthy ? restart_delay(life) : 0;
		life->restarts += life->unhealthy;
		return clear(life);
	case LIFE_EV_STOP:
		return stop_wins(life);
	case LIFE_EV_DEADLINE:
		if (life->lingers || life->crowded)
			return ask(life, LIFE_RESTARTING, life->timeout_ms);
		return life->killed ? stay() : kill_group(life);
	case LIFE_EV_RESTART:
		life->unhealthy = false; /* who wants it now need not wait for a back-off */
		life->unsettled = false;
		return part_if_quiet(life);
	case LIFE_EV_CHANGED:
		changed(life);
		return stay();
	case LIFE_EV_QUIET:
		life->unsettled = false;
		return part_if_quiet(life);
	case LIFE_EV_OLD_GONE:
		if (!life->crowded)
			return part_if_quiet(life);
		life->crowded = false;
		return life->unsettled ? ask_to_restart(life) : part_or_ask(life);
	case LIFE_EV_START:
	case LIFE_EV_SPAWNED:
	case LIFE_EV_REFUSED:
	case LIFE_EV_FAILED:
	case LIFE_EV_GONE:
	case LIFE_EV_UNHEALTHY:
	case LIFE_EV_NEXT_READY:
	case LIFE_EV_NEXT_ENDED:
	case LIFE_EV_OLD_EXITED:
	case LIFE_EV_OLD_DEADLINE:
	case LIFE_N_EVENTS:
		break;
	}
	return stay();
}

static struct life_step
in_clearing(struct lifecycle *life, enum life_event event)
{
	switch (event) {
	case LIFE_EV_GONE:
		return start_again(life);
	case LIFE_EV_DEADLINE:
		/* What even SIGKILL does not end within a second, nobody waits for. */
		return life->killed ? start_again(life) : kill_group(life);
	case LIFE_EV_STOP:
		return end(life, life->exit_code);
	case LIFE_EV_RESTART:
		life->delay_ms = 0;
		life->unsettled = false;
		life->failed = false;
		return stay();
	case LIFE_EV_CHANGED:
		changed(life);
		return stay();
	case LIFE_EV_QUIET:
		life->unsettled = false;
		return stay();
	case LIFE_EV_START:
	case LIFE_EV_SPAWNED:
	case LIFE_EV_REFUSED:
	case LIFE_EV_FAILED:
	case LIFE_EV_EXITED:
	case LIFE_EV_UNHEALTHY:
	case LIFE_EV_NEXT_READY:
	case LIFE_EV_NEXT_ENDED:
	case LIFE_EV_OLD_EXITED:
	case LIFE_EV_OLD_GONE:
	case LIFE_EV_OLD_DEADLINE:
	case LIFE_N_EVENTS:
		break;
	}
	return stay();
}

static struct life_step
in_backoff(struct lifecycle *life, enum life_event event)
{
	if (event == LIFE_EV_DEADLINE || event == LIFE_EV_RESTART)
		return spawn_when_alone(life);
	if (event == LIFE_EV_STOP)
		return end(life, life->exit_code);
	if (event == LIFE_EV_CHANGED) {
		changed(life);
		return go(life, LIFE_SETTLING, LIFE_DISARM);
	}
	return stay();
}

static struct life_step
in_settling(struct lifecycle *life, enum life_event event)
{
	switch ((int)event) {
	case LIFE_EV_STOP:
		return end(life, life->exit_code);
	case LIFE_EV_RESTART:
		life->alone = false; /* who says so takes the risk */
		life->unsettled = false;
		break;
	case LIFE_EV_CHANGED:
		changed(life);
		return stay();
	case LIFE_EV_QUIET:
		life->unsettled = false;
		break;
	case LIFE_EV_OLD_GONE:
		break;
	default:
		return stay();
	}
	if (life->unsettled || must_wait(life))
		return stay();
	return spawn(life);
}

static struct life_step
in_waiting(struct lifecycle *life, enum life_event event)
{
	if (event == LIFE_EV_RESTART)
		return spawn_when_alone(life);
	if (event == LIFE_EV_STOP)
		return end(life, life->exit_code);
	if (event == LIFE_EV_CHANGED) {
		changed(life);
		return go(life, LIFE_SETTLING, 0);
	}
	return stay();
}

static struct life_step
in_ending(struct lifecycle *life, enum life_event event)
{
	if (event == LIFE_EV_GONE || event == LIFE_EV_DEADLINE)
		return go(life, LIFE_DONE, LIFE_DISARM | LIFE_QUIT);
	return stay();
}

static struct life_step
step_server(struct lifecycle *life, enum life_event event, int code, uint64_t now_ms)
{
	switch (life->state) {
	case LIFE_NEW:
		return in_new(life, event);
	case LIFE_RUNNING:
		return in_running(life, event, code, now_ms);
	case LIFE_OVERLAPPING:
		return in_overlapping(life, event, code, now_ms);
	case LIFE_DRAINING:
		return in_draining(life, event, code);
	case LIFE_STOPPING:
		return in_stopping(life, event, code);
	case LIFE_RESTARTING:
		return in_restarting(life, event, code);
	case LIFE_CLEARING:
		return in_clearing(life, event);
	case LIFE_SETTLING:
		return in_settling(life, event);
	case LIFE_WAITING:
		return in_waiting(life, event);
	case LIFE_BACKOFF:
		return in_backoff(life, event);
	case LIFE_ENDING:
		return in_ending(life, event);
	case LIFE_DONE:
	case LIFE_N_STATES:
		break;
	}
	return stay();
}

static struct life_step
old_deadline(struct lifecycle *life)
{
	switch (life->old) {
	case LIFE_OLD_LINGERS:
		return old_stops(life, LIFE_OLD_SIGNAL, life->timeout_ms);
	case LIFE_OLD_STOPS:
		return life->old_killed ? stay() : old_kill(life);
	case LIFE_OLD_CLEARS:
		if (!life->old_killed)
			return old_kill(life);
		life->old = LIFE_OLD_NONE; /* what even SIGKILL does not end, nobody waits for */
		break;
	case LIFE_OLD_NONE:
		break;
	}
	return stay();
}

/* The part of a step that is about the predecessor. */
static struct life_step
step_old(struct lifecycle *life, enum life_event event)
{
	if (life->old == LIFE_OLD_NONE || life->state == LIFE_DONE)
		return stay();
	if (event == LIFE_EV_OLD_EXITED && life->old != LIFE_OLD_CLEARS)
		return old_clears(life, 0);
	if (event == LIFE_EV_OLD_DEADLINE)
		return old_deadline(life);
	if (event == LIFE_EV_STOP && life->old == LIFE_OLD_LINGERS)
		return old_stops(life, LIFE_OLD_SIGNAL, life->policy.stop_timeout_ms);
	if (event == LIFE_EV_OLD_GONE && life->old == LIFE_OLD_CLEARS) {
		life->old = LIFE_OLD_NONE;
		return (struct life_step){ .actions = LIFE_OLD_DISARM };
	}
	return stay();
}

struct life_step
lifecycle_step(struct lifecycle *life, enum life_event event, int code, uint64_t now_ms)
{
	bool had_old = life->old != LIFE_OLD_NONE;
	const struct life_step old = step_old(life, event);
	struct life_step step;

	if (had_old && life->old == LIFE_OLD_NONE)
		event = LIFE_EV_OLD_GONE; /* by its deadline, too */
	else if (event == LIFE_EV_OLD_GONE)
		return stay(); /* of nobody */
	step = step_server(life, event, code, now_ms);
	/* Whoever becomes `old` in this step is the one that its actions are for. */
	if (!(step.actions & LIFE_NEW_OLD)) {
		step.actions |= old.actions;
		step.old_delay_ms = old.old_delay_ms;
	}
	return step;
}
