/* SPDX-License-Identifier: MIT */
/* When a burst of changes begins and ends. */
#include "burst.h"

void
burst_change(struct burst *burst, uint64_t now_ms)
{
	if (!burst->changed)
		burst->began_ms = now_ms;
	burst->changed = true;
	burst->last_ms = now_ms;
}

void
burst_doubt(struct burst *burst, uint64_t now_ms)
{
	burst->doubtful = true;
	burst->doubt_ms = now_ms;
	burst_touch(burst, now_ms);
}

void
burst_young(struct burst *burst, uint64_t now_ms)
{
	burst->young = true;
	burst->young_ms = now_ms;
	burst_touch(burst, now_ms);
}

void
burst_touch(struct burst *burst, uint64_t now_ms)
{
	burst->last_ms = now_ms;
}

static uint64_t
end_of_burst(const struct burst *burst)
{
	uint64_t quiet = burst->last_ms + burst->settle_ms, last = burst->began_ms + BURST_MAX_MS;
	uint64_t written = burst->doubt_ms + burst->settle_removed_ms;

	if (burst->writing && written > quiet)
		quiet = written;

	return quiet < last ? quiet : last;
}

bool
burst_due(const struct burst *burst, uint64_t *due_ms)
{
	uint64_t due = UINT64_MAX, doubt = burst->doubt_ms + burst->settle_removed_ms;
	uint64_t young = burst->young_ms + burst->settle_ms;

	if (burst->changed)
		due = end_of_burst(burst);
	else if (burst->doubtful)
		due = doubt;
	if (burst->young && young < due)
		due = young;
	if (due == UINT64_MAX)
		return false;
	*due_ms = due;
	return true;
}

bool
burst_is_over(struct burst *burst, uint64_t now_ms)
{
	if (!burst->changed || now_ms < end_of_burst(burst))
		return false;
	burst->changed = false;
	return true;
}

bool
burst_doubt_is_over(struct burst *burst, uint64_t now_ms)
{
	if (!burst->doubtful || now_ms < burst->doubt_ms + burst->settle_removed_ms)
		return false;
	burst->doubtful = false;
	return true;
}

bool
burst_young_is_over(struct burst *burst, uint64_t now_ms)
{
	if (!burst->young || now_ms < burst->young_ms + burst->settle_ms)
		return false;
	burst->young = false;
	return true;
}
