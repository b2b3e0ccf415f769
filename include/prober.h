/* SPDX-License-Identifier: MIT */
/* Asks the server on the loop, again and again, as long as it is wanted. */
#ifndef INITD_PROBER_H
#define INITD_PROBER_H

#include "health.h"
#include "pollset.h"
#include "probe.h"

#include <uv.h>

struct prober_spec {
	struct probe_spec probe;
	struct health_policy policy;
	void (*on_fact)(void *arg, enum health_fact fact); /* never HEALTH_NOTHING */
	void *arg;
};

struct prober {
	struct prober_spec spec;
	struct health health;
	struct probe probe;
	uv_loop_t *loop;
	uv_timer_t timer;   /* until the next question, or the timeout of this one */
	struct pollset set; /* for the sockets of the probes, one at a time */
	struct pollset_entry entry;
	uint64_t due_ms; /* when the timer should fire */
	bool is_wanted;  /* between prober_begin() and prober_end() */
	bool is_asking;  /* a question is on its way */
};

/* Make the handles. 0 or a negative errno: then nothing was started. */
int prober_open(struct prober *prober, uv_loop_t *loop, const struct prober_spec *spec);

/* A server was started: ask until it is ready, and on if health.interval says so. */
void prober_begin(struct prober *prober, uint64_t started_ms);

/* The same for one who listens already: the first question is not put off. */
void prober_begin_now(struct prober *prober, uint64_t started_ms);

/* What its questions are marked with from the next one on, see probe.h. */
void prober_mark(struct prober *prober, unsigned char mark);

/* There is nobody to ask any more. */
void prober_end(struct prober *prober);

/* Close the handles; the loop must run once more. */
void prober_close(struct prober *prober);

#endif
