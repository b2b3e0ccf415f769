/* SPDX-License-Identifier: MIT */
/* What verdicts mean: ready, failing, well again; when to ask next. No clock, no system call. */
#ifndef INITD_HEALTH_H
#define INITD_HEALTH_H

#include "probe.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	HEALTH_HISTORY = 16,
	HEALTH_LAG_MS =
	    1000, /* a clock that jumped further says that we stood still (docker pause) */
};

struct health_policy {
	uint64_t start_interval_ms; /* 0: nobody waits for the first answer */
	uint64_t interval_ms;       /* 0: do not ask a server that is ready */
	unsigned retries;           /* failures in a row that mean unhealthy; at least 1 */
	bool any_answer_is_ready;   /* nobody said what to ask for: a 404 is an answer too */
};

enum health_fact {
	HEALTH_NOTHING,
	HEALTH_READY,     /* the first good answer of this server */
	HEALTH_WRONG,     /* the first answer of this server that is not the expected one */
	HEALTH_FAILED,    /* policy.retries in a row after it was ready */
	HEALTH_RECOVERED, /* the first good answer after HEALTH_FAILED */
};

struct health_entry {
	struct probe_verdict verdict;
	uint64_t at_ms;
};

/* Copyable; everything the next step depends on. */
struct health {
	struct health_policy policy;
	uint64_t started_ms, ready_ms, failed_ms;
	bool ready;
	bool proven;        /* it gave an expected answer once: only then a failure may end it */
	bool warned;        /* HEALTH_WRONG was said */
	bool failed;        /* HEALTH_FAILED was said, HEALTH_RECOVERED not yet */
	unsigned failures;  /* in a row, since it was ready */
	unsigned n_entries; /* ever; entry i is history[i % HEALTH_HISTORY] */
	struct health_entry history[HEALTH_HISTORY];
};

void health_init(struct health *health, const struct health_policy *policy);

/* Another server was started: nothing is known of it. The history stays. */
void health_begin(struct health *health, uint64_t now_ms);

/*
 * A verdict. PROBE_ERROR is written down and counts for nothing: it is about us. A wrong answer
 * below 500 makes a server ready too if policy.any_answer_is_ready: HEALTH_READY, and
 * health->proven is false.
 */
enum health_fact health_take(
    struct health *health, const struct probe_verdict *verdict, uint64_t now_ms);

/* We stood still: what was counted says nothing about the server. */
void health_forget(struct health *health);

/*
 * Milliseconds until the next question; 0: none. Before the first answer the pause grows with the
 * wait to a 32nd of it, so that a program that never answers costs next to nothing.
 */
uint64_t health_delay(const struct health *health, uint64_t now_ms);

/* The entry `ago` steps back, 0 the newest; NULL if there is none. */
const struct health_entry *health_recall(const struct health *health, unsigned ago);

#endif
