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
	bool is_known_good = change->answered && is_python(change->path);

	/* People save one file often; or it is none that was held, and the server has lived in peace. */
	if (is_known_good || change->age_ms >= guard->hold_ms + LOOP_GUARD_EARLY_MS) {
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

uint64_t
loop_guard_ask(struct loop_guard *guard, const struct loop_guard_change *change, bool *tell)
{
	*tell = false;
	/* What somebody else changes does not clear a suspect. */
	if (guard->hold_ms > 0 && change->alone && is_path(guard->suspect, change->path))
		return hold(guard, change);
	*tell = count(guard, change);
	return 0;
}
