/* SPDX-License-Identifier: MIT */
/* Notices a server that writes into the watched tree and so restarts itself: pure, no clock. */
#ifndef INITD_LOOP_GUARD_H
#define INITD_LOOP_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LOOP_GUARD_RESTARTS = 5,         /* so many in a row by one path make it suspect */
	LOOP_GUARD_EARLY_MS = 10 * 1000, /* each so soon after the server's start */
	LOOP_GUARD_HOLD_MAX_MS =
	    60 * 1000, /* the hold starts at LOOP_GUARD_EARLY_MS and doubles up to this */
};

/* Whatever the paths are: a server that writes several files, or one of a new name each time. */
enum {
	LOOP_GUARD_STREAK = 20,         /* so many restarts in a row are no accident */
	LOOP_GUARD_QUICK_MS = 2 * 1000, /* each so soon after the server's start */
	LOOP_GUARD_PAUSE_MS =
	    1000, /* the life that the next one is given; it doubles three times */
};

/* Starts zeroed. */
struct loop_guard {
	char path[256];
	unsigned n; /* early restarts in a row by it alone */
	char suspect[256];
	uint64_t
	    hold_ms; /* the life that a server is given before the suspect restarts it; 0: there is none */
	unsigned streak; /* quick restarts in a row, by whatever path */
};

/* One change that would restart the server. */
struct loop_guard_change {
	const char *path;
	bool alone; /* nothing else has changed with it */
	bool
	    answered; /* the server has answered since it was started: it was up when this happened */
	uint64_t age_ms; /* of the server */
};

/*
 * 0: restart now, and it is counted. Else the change has to wait for so many ms; then it is to be
 * asked again. *tell is set when the path has just become suspect, or a streak is full.
 * A path that ends in .py counts only while the server has not answered: people save one file
 * often, and wait for the answer.
 */
uint64_t loop_guard_ask(
    struct loop_guard *guard, const struct loop_guard_change *change, bool *tell);

/* A change that the server cannot have made: nothing is in a row any more. */
void loop_guard_absolve(struct loop_guard *guard);

#endif
