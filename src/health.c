/* SPDX-License-Identifier: MIT */
/* What verdicts mean, and when to ask next. */
#include "health.h"

enum {
	PATIENCE = 32, /* the pause before the first answer is at least this part of the wait */
	SERVER_ERROR = 500, /* the first status code that blames the server (RFC 9110, 15.6) */
};

void
health_init(struct health *health, const struct health_policy *policy)
{
	*health = (struct health){ .policy = *policy };
}

void
health_begin(struct health *health, uint64_t now_ms)
{
	health->started_ms = now_ms;
	health->ready_ms = 0;
	health->failed_ms = 0;
	health->ready = false;
	health->proven = false;
	health->warned = false;
	health->failed = false;
	health->failures = 0;
}

static void
write_down(struct health *health, const struct probe_verdict *verdict, uint64_t now_ms)
{
	health->history[health->n_entries % HEALTH_HISTORY] =
	    (struct health_entry){ .verdict = *verdict, .at_ms = now_ms };
	health->n_entries++;
}

/* It said something, but not that: is this worth a word, or even an answer that will do? */
static enum health_fact
take_wrong_answer(struct health *health, const struct probe_verdict *verdict, uint64_t now_ms)
{
	enum health_fact fact = health->warned ? HEALTH_NOTHING : HEALTH_WRONG;

	health->warned = true;
	if (!health->policy.any_answer_is_ready || verdict->status >= SERVER_ERROR)
		return fact;
	health->ready = true;
	health->ready_ms = now_ms;
	return HEALTH_READY;
}

static enum health_fact
take_good(struct health *health, uint64_t now_ms)
{
	bool was_failed = health->failed;

	health->proven = true;
	health->failed = false;
	health->failures = 0;
	if (was_failed)
		return HEALTH_RECOVERED;
	if (health->ready)
		return HEALTH_NOTHING;
	health->ready = true;
	health->ready_ms = now_ms;
	return HEALTH_READY;
}

static enum health_fact
take_failure(struct health *health, uint64_t now_ms)
{
	if (health->failures == 0)
		health->failed_ms = now_ms;
	health->failures++;
	if (health->failed || health->failures < health->policy.retries)
		return HEALTH_NOTHING;
	health->failed = true;
	return HEALTH_FAILED;
}

enum health_fact
health_take(struct health *health, const struct probe_verdict *verdict, uint64_t now_ms)
{
	write_down(health, verdict, now_ms);
	if (verdict->result == PROBE_ERROR)
		return HEALTH_NOTHING;
	if (verdict->result == PROBE_HEALTHY)
		return take_good(health, now_ms);
	if (health->ready)
		return take_failure(health, now_ms);
	/* A server that is starting refuses connections; that is no news. */
	return verdict->status > 0 ? take_wrong_answer(health, verdict, now_ms) : HEALTH_NOTHING;
}

void
health_forget(struct health *health)
{
	if (!health->failed)
		health->failures = 0;
}

uint64_t
health_delay(const struct health *health, uint64_t now_ms)
{
	const struct health_policy *policy = &health->policy;
	uint64_t patient = (now_ms - health->started_ms) / PATIENCE;

	if (health->ready || policy->start_interval_ms == 0)
		return policy->interval_ms;
	return patient > policy->start_interval_ms ? patient : policy->start_interval_ms;
}

const struct health_entry *
health_recall(const struct health *health, unsigned ago)
{
	if (ago >= HEALTH_HISTORY || ago >= health->n_entries)
		return NULL;
	return &health->history[(health->n_entries - 1 - ago) % HEALTH_HISTORY];
}
