/* SPDX-License-Identifier: MIT */
/*
 * One question to the server over a non-blocking socket: poll(2) drives it in `initd healthcheck`,
 * the loop drives it in PID 1. No DNS, no thread, no allocation, no clock of its own.
 */
#ifndef INITD_PROBE_H
#define INITD_PROBE_H

#include "http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe_spec {
	struct http_target target;
	struct http_expect expect;
	const char *expect_text; /* of it, for messages */
	const char *host_header; /* NULL: from the target */
	uint64_t timeout_ms;
	unsigned char mark; /* IP_TOS or IPV6_TCLASS of the connection; 0: as usual */
};

enum probe_result {
	PROBE_PENDING,
	PROBE_HEALTHY,
	PROBE_UNHEALTHY, /* by what the server did or did not do */
	PROBE_ERROR,     /* it could not be asked: no descriptor, no port, no memory here */
};

/* Why it is not healthy, or PROBE_ANSWERED. */
enum probe_reason {
	PROBE_ANSWERED,       /* with the status code; over tcp: connected */
	PROBE_CANNOT_ASK,     /* error */
	PROBE_CANNOT_CONNECT, /* error */
	PROBE_NO_CONNECTION,  /* within the timeout */
	PROBE_NO_ANSWER,      /* not a byte within the timeout */
	PROBE_NO_STATUS,      /* some bytes, but no complete status line within the timeout */
	PROBE_RESET,          /* the connection, before an answer; error */
	PROBE_CLOSED,         /* the same, in an orderly way */
	PROBE_NOT_HTTP,
	PROBE_N_REASONS,
};

/* What came out; plain numbers, so that PID 1 can keep many and tell them. */
struct probe_verdict {
	enum probe_result result;
	enum probe_reason reason;
	unsigned status;  /* of the answer; 0: none */
	int error;        /* errno that belongs to the reason; 0: none */
	unsigned address; /* which one of the target's */
	uint32_t us;      /* how long it took */
};

struct probe {
	const struct probe_spec *spec;
	struct probe_verdict verdict;
	uint64_t started_us;
	int fd;       /* -1: none */
	short events; /* for poll(2): what to wait for while PROBE_PENDING */
	bool is_connected;
	bool is_reset; /* when the request was sent */
	struct http_answer answer;
};

/*
 * Ask the target's first address. While the result is PROBE_PENDING, call probe_go_on() when
 * probe->fd is ready for probe->events, or probe_expire() when spec->timeout_ms have gone by since
 * the start. Then probe_next(), which closes the descriptor and, if that address could not be
 * connected to and there is another one, asks it: true means PROBE_PENDING or a new verdict. `now_us`
 * is of any monotonic clock.
 */
enum probe_result probe_start(struct probe *probe, const struct probe_spec *spec, uint64_t now_us);
enum probe_result probe_go_on(struct probe *probe, uint64_t now_us);
enum probe_result probe_expire(struct probe *probe, uint64_t now_us);
bool probe_next(struct probe *probe, uint64_t now_us);

/* Close it without a verdict; also after one, and twice. */
void probe_close(struct probe *probe);

/*
 * The verdict as a line: "200 from http://127.0.0.1:8000/health in 2.1 ms", "connection refused by
 * http://…". Cut if it does not fit.
 */
void probe_verdict_text(
    const struct probe_verdict *verdict, const struct probe_spec *spec, char *buf, size_t size);

#endif
