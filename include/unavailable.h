/* SPDX-License-Identifier: MIT */
/* 503 Service Unavailable, from initd itself: so that no client hangs on a held socket without a server. */
#ifndef INITD_UNAVAILABLE_H
#define INITD_UNAVAILABLE_H

#include "listener.h"
#include "pollset.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum {
	UNAVAILABLE_CLIENTS = 16,       /* at a time; the others queue */
	UNAVAILABLE_PATIENCE_MS = 1000, /* with each, from its request to its end */
};

struct unavailable_spec {
	void (*why)(void *arg, char *buf, size_t size); /* one line, without its end */
	void *arg;
};

struct unavailable_client {
	struct unavailable *owner;
	struct pollset_entry entry;
	int fd; /* -1: free */
	bool is_answered;
	uint64_t due_ms;
};

struct unavailable {
	struct unavailable_spec spec;
	struct pollset *set;
	uv_loop_t *loop;
	uv_timer_t timer; /* until it begins, and for clients that take their time */
	bool is_wanted;   /* between begin and end */
	uint64_t begin_ms;
	int listening[LISTENERS_MAX]; /* what is accepted from now */
	unsigned n_listening;
	const struct listeners *listeners;
	struct pollset_entry entry;
	struct unavailable_client clients[UNAVAILABLE_CLIENTS];
};

void unavailable_open(struct unavailable *unavailable, uv_loop_t *loop, struct pollset *set,
    const struct unavailable_spec *spec);

/* From `delay_ms` on there is nobody else to answer. Again: the sooner time counts. */
void unavailable_begin(
    struct unavailable *unavailable, const struct listeners *listeners, uint64_t delay_ms);

/* There is a server. Whoever was accepted gets its answer all the same. */
void unavailable_end(struct unavailable *unavailable);

/* The loop must run once more. */
void unavailable_close(struct unavailable *unavailable);

#endif
