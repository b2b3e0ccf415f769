/* SPDX-License-Identifier: MIT */
/* Notices a server that restarts itself. */
#include "loop_guard.h"

#include <stdio.h>
#include <string.h>

static bool
is_python(const char *path)
{
	size_t length = strlen(path);

	return length > 3 && strcmp(path + length - 3, ".py") == 0;
}

/* People save a source file and wait for the answer. */
static bool
is_by_people(const struct loop_guard_change *change)
{
	return change->answered && is_python(change->path);
}

/* Does it look as if the server had done it? */
static bool
is_early(const struct loop_guard_change *change)
{
	return change->alone && change->age_ms < LOOP_GUARD_EARLY_MS && !is_by_people(change);
}

/* A path that is cut is still compared by what is kept of it. */
static bool
is_path(const char kept[256], const char *path)
{
	return strncmp(kept, path, 255) == 0;
}

/* How long the suspect has to wait. */
static uint64_t
hold(struct loop_guard *guard, const struct loop_guard_change *change)
{
	/* People save one file often; or it is none that was held, and the server has lived in peace. */
	if (is_by_people(change) || change->age_ms >= guard->hold_ms + LOOP_GUARD_EARLY_MS) {
		guard->hold_ms = 0;
		guard->n = 0;
		return 0;
	}
	if (change->age_ms < guard->hold_ms)
		return guard->hold_ms - change->age_ms;
	guard->hold_ms *= 2;
	if (guard->hold_ms > LOOP_GUARD_HOLD_MAX_MS)
		guard->hold_ms = LOOP_GUARD_HOLD_MAX_MS;
	return 0;
}

/* One more restart by this path. True: it has become suspect. */
static bool
count(struct loop_guard *guard, const struct loop_guard_change *change)
{
	if (!is_path(guard->path, change->path)) {
		guard->n = 0;
		(void)snprintf(guard->path, sizeof guard->path, "%s", change->path);
	}
	guard->n = is_early(change) ? guard->n + 1 : 0;
	if (guard->n < LOOP_GUARD_RESTARTS)
		return false;
	guard->n = 0;
	guard->hold_ms = LOOP_GUARD_EARLY_MS;
	(void)snprintf(guard->suspect, sizeof guard->suspect, "%s", change->path);
	return true;
}

/* The life that a server is given after a streak. */
static uint64_t
pause_ms(const struct loop_guard *guard)
{
	unsigned more = guard->streak - LOOP_GUARD_STREAK;

	if (guard->streak < LOOP_GUARD_STREAK)
		return 0;
	return (uint64_t)LOOP_GUARD_PAUSE_MS << (more < 3 ? more : 3);
}

static void
count_streak(struct loop_guard *guard, const struct loop_guard_change *change)
{
	uint64_t pause = pause_ms(guard);
	uint64_t quick_ms = pause > 0 ? pause + LOOP_GUARD_PAUSE_MS : LOOP_GUARD_QUICK_MS;

	if (is_by_people(change) || change->age_ms >= quick_ms)
		guard->streak = 0;
	else
		guard->streak++;
}

uint64_t
loop_guard_ask(struct loop_guard *guard, const struct loop_guard_change *change, bool *tell)
{
	uint64_t pause = is_by_people(change) ? 0 : pause_ms(guard), hold_ms = 0;

	*tell = false;
	if (change->age_ms < pause)
		return pause - change->age_ms;
	/* What somebody else changes does not clear a suspect. */
	if (guard->hold_ms > 0 && change->alone && is_path(guard->suspect, change->path))
		hold_ms = hold(guard, change);
	else
		*tell = count(guard, change);
	if (hold_ms == 0)
		count_streak(guard, change);
	*tell = *tell || (hold_ms == 0 && guard->streak == LOOP_GUARD_STREAK);
	return hold_ms;
}

void
loop_guard_absolve(struct loop_guard *guard)
{
	guard->n = 0;
	guard->streak = 0;
}
