/* SPDX-License-Identifier: MIT */
/* What initd tells about itself: a snapshot, as the text of the control socket, as a table, as JSON. */
#ifndef INITD_STATUS_H
#define INITD_STATUS_H

#include "health.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	STATUS_TEXT_SIZE = 8192, /* the longest text there is */
};

/* Durations in ms up to the moment it was written; "" and 0: there is none. */
struct status {
	char version[16];
	/* starting, ready, running, unhealthy, draining, stopping, restarting, overlapping, waiting, backoff, ending */
	char state[16];
	uint64_t initd_pid, uptime_ms;
	uint64_t pid; /* of the server */
	char user[128], command[256];
	uint64_t server_uptime_ms;
	uint64_t starts;   /* servers that were started, this one too */
	uint64_t restarts; /* by policy, in a row */
	bool ready;
	uint64_t ready_after_ms, ready_ms; /* from start to ready, from ready to now */
	char last_exit[144];
	char host[64]; /* server.host */
	uint64_t port;
	/* What is asked: health.target with host and port. */
	char target[HTTP_TARGET_TEXT_SIZE];
	char expect[HTTP_EXPECT_SIZE], host_header[HTTP_HOST_SIZE];
	uint64_t timeout_ms, interval_ms;
	uint64_t failures;
	uint64_t n_verdicts;
	/* Newest first; at_ms is how long ago. */
	struct health_entry verdicts[HEALTH_HISTORY];
	/* Where files are watched; the last change that restarted the server, and how long ago. */
	char watch_paths[256], watch_backend[16];
	uint64_t watch_directories, watch_files, watch_restarts;
	char last_change[288];
	uint64_t last_change_ms;
	char held[128];      /* the addresses of the held sockets */
	bool is_retry;       /* the server was started a second time, alone */
	char successor[144]; /* how the last one that never got ready ended */
	char standby[16];    /* booting, warm */
	uint64_t standby_pid;
	/* Filled in by the reader. */
	uint64_t memory_kb, memory_peak_kb, standby_memory_kb;
};

/* The fields that tell of health, from what PID 1 knows. */
void status_take_health(struct status *status, const struct health *health, uint64_t now_ms);

/*
 * Lines KEY=VALUE: one for each field that is set, under its own name, then `verdict=…` for each
 * verdict. Control characters become '?'. Returns the length; it always fits.
 */
size_t status_write(const struct status *status, char text[STATUS_TEXT_SIZE]);

/*
 * The reverse. Unknown keys and verdicts are passed over: the other side may be newer. False, and *status is
 * undefined, if a line has no '=', a number is none or a text does not fit.
 */
bool status_read(struct status *status, const char *text);

/* For people: a short aligned table. */
void status_print(const struct status *status, FILE *out);

/* One object. */
void status_print_json(const struct status *status, FILE *out);

#endif
