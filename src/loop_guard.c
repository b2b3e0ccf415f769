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

/* Does it look as if the server had done it? */
static bool
is_early(const struct loop_guard_change *change)
{
	return change->alone && change->age_ms < LOOP_GUARD_EARLY_MS &&
	       !(change->answered && is_python(change->path));
}

/* It is another path's turn, or this one's first. */
static void
begin(struct loop_guard *guard, const struct loop_guard_change *change)
{
	guard->n = 0;
	guard->hold_ms = 0;
	(void)snprintf(guard->path, sizeof guard->path, "%s", change->path);
}

/* How long the suspect has to wait. */
static uint64_t
hold(struct loop_guard *guard, const struct loop_guard_change *change)
{
	bool is_known_good = change->answered && is_python(change->path);

	/* People save one file often; or it is none that was held, and the server has lived in peace. */
	if (is_known_good || change->age_ms >= guard->hold_ms + LOOP_GUARD_EARLY_MS) {
		begin(guard, change);
		return 0;
	}
	if (change->age_ms < guard->hold_ms)
		return guard->hold_ms - change->age_ms;
	guard->hold_ms *= 2;
	if (guard->hold_ms > LOOP_GUARD_HOLD_MAX_MS)
		guard->hold_ms = LOOP_GUARD_HOLD_MAX_MS;
	return 0;
}

uint64_t
loop_guard_ask(struct loop_guard *guard, const struct loop_guard_change *change, bool *tell)
{
	/* A path that is cut is still compared by what is kept of it. */
	bool is_same = strncmp(guard->path, change->path, sizeof guard->path - 1) == 0;
	bool is_suspect = guard->n >= LOOP_GUARD_RESTARTS;

	*tell = false;
	if (!is_same || !change->alone) {
		/* What somebody else changes does not clear a suspect. */
		if (!is_suspect) {
			begin(guard, change);
			guard->n = is_early(change);
		}
		return 0;
	}
	if (is_suspect)
		return hold(guard, change);
	if (!is_early(change)) {
		guard->n = 0;
		return 0;
	}
	guard->n++;
	if (guard->n == LOOP_GUARD_RESTARTS) {
		guard->hold_ms = LOOP_GUARD_EARLY_MS;
		*tell = true;
	}
	return 0;
}
