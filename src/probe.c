/* SPDX-License-Identifier: MIT */
/* One question to the server over a non-blocking socket. */
#include "probe.h"

#include "parse.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	REQUEST_SIZE =
	    1024, /* a path and a host of their full lengths, and what stands around them */
	CHUNK_SIZE = 1024,
};

static enum probe_result
conclude(struct probe *probe, enum probe_result result, enum probe_reason reason, int error,
    uint64_t now_us)
{
	probe->verdict.result = result;
	probe->verdict.reason = reason;
	probe->verdict.error = error;
	probe->verdict.us = (uint32_t)(now_us - probe->started_us);
	return result;
}

static enum probe_result
wait_for(struct probe *probe, short events)
{
	probe->events = events;
	return PROBE_PENDING;
}

/* No socket or no connection. Is it we who have nothing to ask with? That says nothing of the server. */
static enum probe_result
not_connected(struct probe *probe, int error, uint64_t now_us)
{
	const union http_address *at = &probe->spec->target.addresses[probe->verdict.address];
	/* All ports are taken; but of IPv6 it is said where ::1 is not configured. */
	bool no_port = error == EADDRNOTAVAIL && at->sa.sa_family == AF_INET;

	if (no_port || error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
		return conclude(probe, PROBE_ERROR, PROBE_CANNOT_ASK, error, now_us);
	return conclude(probe, PROBE_UNHEALTHY, PROBE_CANNOT_CONNECT, error, now_us);
}

/* ---- the steps ---- */

static enum probe_result
read_answer(struct probe *probe, uint64_t now_us)
{
	char chunk[CHUNK_SIZE];
	ssize_t n = recv(probe->fd, chunk, sizeof chunk, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return wait_for(probe, POLLIN);
	if (n < 0)
		return conclude(probe, PROBE_UNHEALTHY, PROBE_RESET, errno, now_us);
	if (n == 0 && probe->is_reset)
		return conclude(probe, PROBE_UNHEALTHY, PROBE_RESET, ECONNRESET, now_us);
	if (n == 0)
		return conclude(probe, PROBE_UNHEALTHY, PROBE_CLOSED, 0, now_us);
	switch (http_answer_take(&probe->answer, chunk, (size_t)n)) {
	case HTTP_GARBAGE:
		return conclude(probe, PROBE_UNHEALTHY, PROBE_NOT_HTTP, 0, now_us);
	case HTTP_ANSWERED:
		break;
	case HTTP_MORE:
		return wait_for(probe, POLLIN);
	}
	probe->verdict.status = probe->answer.status;
	return conclude(probe,
	    http_expect_has(&probe->spec->expect, probe->answer.status) ? PROBE_HEALTHY
									: PROBE_UNHEALTHY,
	    PROBE_ANSWERED, 0, now_us);
}

/*
 * On the loopback the connection is mostly there when connect(2) returns, although it says
 * EINPROGRESS, so the request is sent at once; EAGAIN means that it is not.
 */
static enum probe_result
send_request(struct probe *probe, uint64_t now_us)
{
	const struct probe_spec *spec = probe->spec;
	char request[REQUEST_SIZE];
	size_t length = http_request(
	    &spec->target, probe->verdict.address, spec->host_header, request, sizeof request);

	if (send(probe->fd, request, length, MSG_NOSIGNAL) < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return wait_for(probe, POLLOUT);
		/* It may have answered before it was asked, and closed: that is still to be read. */
		if (errno != EPIPE && errno != ECONNRESET)
			return not_connected(probe, errno, now_us);
		probe->is_reset =
		    errno == ECONNRESET; /* told once; recv(2) would say that it was closed */
	}
	probe->is_connected = true;
	return wait_for(probe, POLLIN);
}

/*
 * To a port of the range that the kernel takes ours from, a TCP connection may be made to itself
 * (simultaneous open, RFC 9293, 3.5): nobody listens there.
 */
static bool
is_own_end(int fd)
{
	union http_address ends[2];
	socklen_t sizes[2] = { sizeof ends[0], sizeof ends[1] };

	return getsockname(fd, &ends[0].sa, &sizes[0]) == 0 &&
	       getpeername(fd, &ends[1].sa, &sizes[1]) == 0 && sizes[0] == sizes[1] &&
	       memcmp(&ends[0], &ends[1], sizes[0]) == 0;
}

static enum probe_result
finish_connect(struct probe *probe, uint64_t now_us)
{
	struct pollfd writable = { .fd = probe->fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof error;

	if (poll(&writable, 1, 0) == 0)
		return wait_for(probe, POLLOUT);
	(void)getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error == 0 && is_own_end(probe->fd))
		error = ECONNREFUSED;
	if (error != 0)
		return not_connected(probe, error, now_us);
	return conclude(probe, PROBE_HEALTHY, PROBE_ANSWERED, 0, now_us);
}

static void
set_mark(int fd, int family, int mark)
{
	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &mark, sizeof mark);
	else if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &mark, sizeof mark);
}

static enum probe_result
connect_to(struct probe *probe, uint64_t now_us)
{
	const union http_address *at = &probe->spec->target.addresses[probe->verdict.address];

	probe->fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd >= 0 && probe->spec->mark)
		set_mark(probe->fd, at->sa.sa_family, probe->spec->mark);
	if (probe->fd < 0 ||
	    (connect(probe->fd, &at->sa, http_address_length(at)) < 0 && errno != EINPROGRESS))
		return not_connected(probe, errno, now_us);
	return probe_go_on(probe, now_us);
}

/* ---- the whole ---- */

enum probe_result
probe_start(struct probe *probe, const struct probe_spec *spec, uint64_t now_us)
{
	*probe = (struct probe){ .spec = spec, .started_us = now_us };
	return connect_to(probe, now_us);
}

enum probe_result
probe_go_on(struct probe *probe, uint64_t now_us)
{
	if (!probe->spec->target.is_http)
		return finish_connect(probe, now_us);
	return probe->is_connected ? read_answer(probe, now_us) : send_request(probe, now_us);
}

enum probe_result
probe_expire(struct probe *probe, uint64_t now_us)
{
	enum probe_reason reason = PROBE_NO_CONNECTION;

	/* The answer may lie there since a moment: whoever asks was not always running either. */
	if (probe_go_on(probe, now_us) != PROBE_PENDING)
		return probe->verdict.result;
	if (probe->is_connected)
		reason = probe->answer.n == 0 ? PROBE_NO_ANSWER : PROBE_NO_STATUS;
	return conclude(probe, PROBE_UNHEALTHY, reason, 0, now_us);
}

bool
probe_next(struct probe *probe, uint64_t now_us)
{
	probe_close(probe);
	if (probe->verdict.reason != PROBE_CANNOT_CONNECT ||
	    probe->verdict.address + 1 >= probe->spec->target.n_addresses)
		return false;
	probe->verdict = (struct probe_verdict){ .address = probe->verdict.address + 1 };
	(void)connect_to(probe, now_us);
	return true;
}

void
probe_close(struct probe *probe)
{
	if (probe->fd >= 0)
		(void)close(probe->fd);
	probe->fd = -1;
}

/* ---- what is said ---- */

/* "2.1 ms", "1.25 s". */
static const char *
time_text(uint32_t us, char buf[24])
{
	if (us < 1000 * 1000)
		(void)snprintf(buf, 24, "%u.%u ms", us / 1000, us % 1000 / 100);
	else
		(void)snprintf(buf, 24, "%u.%02u s", us / 1000000, us % 1000000 / 10000);
	return buf;
}

static void
answer_text(const struct probe_verdict *verdict, const struct probe_spec *spec, const char *target,
    char *buf, size_t size)
{
	char time[24];

	(void)time_text(verdict->us, time);
	if (verdict->status == 0)
		(void)snprintf(buf, size, "connected to %s in %s", target, time);
	else if (verdict->result == PROBE_HEALTHY)
		(void)snprintf(buf, size, "%u from %s in %s", verdict->status, target, time);
	else
		(void)snprintf(buf, size, "%u from %s in %s; expected %s", verdict->status, target,
		    time, spec->expect_text);
}

void
probe_verdict_text(
    const struct probe_verdict *verdict, const struct probe_spec *spec, char *buf, size_t size)
{
	char target[HTTP_TARGET_TEXT_SIZE], timeout[32];

	(void)http_target_text(&spec->target, verdict->address, target);
	(void)duration_text(spec->timeout_ms, timeout);
	switch (verdict->reason) {
	case PROBE_ANSWERED:
		answer_text(verdict, spec, target, buf, size);
		break;
	case PROBE_CANNOT_ASK:
		(void)snprintf(buf, size, "cannot ask %s: %s", target, strerror(verdict->error));
		break;
	case PROBE_CANNOT_CONNECT:
		if (verdict->error == ECONNREFUSED)
			(void)snprintf(buf, size, "connection refused by %s", target);
		else
			(void)snprintf(buf, size, "cannot connect to %s: %s", target,
			    strerror(verdict->error));
		break;
	case PROBE_NO_CONNECTION:
		(void)snprintf(buf, size, "no connection to %s within %s", target, timeout);
		break;
	case PROBE_NO_ANSWER:
		(void)snprintf(buf, size, "no answer from %s within %s", target, timeout);
		break;
	case PROBE_NO_STATUS:
		(void)snprintf(
		    buf, size, "no complete status line from %s within %s", target, timeout);
		break;
	case PROBE_RESET:
		(void)snprintf(buf, size, "connection reset by %s", target);
		break;
	case PROBE_CLOSED:
		(void)snprintf(buf, size, "connection closed by %s before an answer", target);
		break;
	case PROBE_NOT_HTTP:
		(void)snprintf(buf, size, "not an HTTP answer from %s", target);
		break;
	case PROBE_N_REASONS:
		(void)snprintf(buf, size, "no verdict about %s", target);
		break;
	}
}
