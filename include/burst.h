/* SPDX-License-Identifier: MIT */
/* When a burst of changes begins and ends: pure, no clock. */
#ifndef INITD_BURST_H
#define INITD_BURST_H

#include <stdbool.h>
#include <stdint.h>

enum {
	BURST_MAX_MS = 10 * 1000, /* a tree that never comes to rest is taken as it is */
};

/* Starts zeroed but for the two times of the options. */
struct burst {
	uint64_t settle_ms;         /* quiet time that ends one */
	uint64_t settle_removed_ms; /* how long what is in doubt must stay so */
	bool changed;               /* it has begun */
	bool
	    doubtful; /* something is missing, or was made and not written: maybe only for a moment */
	bool writing; /* something that was made is not closed yet: no time to start a server */
	uint64_t began_ms, last_ms; /* of the changed one; the last thing seen in it */
	uint64_t doubt_ms;          /* the last thing in doubt */
	bool young; /* something differs that may still be written: it needs a second look */
	uint64_t young_ms;
};

/* Something has changed. */
void burst_change(struct burst *burst, uint64_t now_ms);

/* Something may have. */
void burst_doubt(struct burst *burst, uint64_t now_ms);

/* Something differs, and a second look after settle_ms will tell. */
void burst_young(struct burst *burst, uint64_t now_ms);

/* Something that counts was touched, without a change: the burst, if there is one, goes on. */
void burst_touch(struct burst *burst, uint64_t now_ms);

/* When to look again: at burst_is_over() if it has begun, else at what is in doubt or young. False: there is nothing to wait for. */
bool burst_due(const struct burst *burst, uint64_t *due_ms);

/* It has begun, and the tree was quiet long enough or the burst lasted too long: then it is over and forgotten. */
bool burst_is_over(struct burst *burst, uint64_t now_ms);

/* What is in doubt has been so long enough; once it was looked at it is no more. */
bool burst_doubt_is_over(struct burst *burst, uint64_t now_ms);

/* The second look is due; once it was asked for it is no more. */
bool burst_young_is_over(struct burst *burst, uint64_t now_ms);

#endif
