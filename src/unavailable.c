/* SPDX-License-Identifier: MIT */
/* 503 Service Unavailable, from initd itself. */
#include "unavailable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,
	SILENCE_MS = 100, /* from the connection to the request, if others wait */
};

static uint64_t
now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void update(struct unavailable *unavailable);

static void
on_timer(uv_timer_t *timer)
{
	update(timer->data);
}

/* ---- clients ---- */

static void
drop(struct unavailable_client *client)
{
	pollset_remove(client->owner->set, client->fd);
	(void)close(client->fd);
	client->fd = -1;
}

static void
answer(struct unavailable_client *client, bool is_head)
{
	const struct unavailable_spec *spec = &client->owner->spec;
	char why[512], text[768];
	int n;

	spec->why(spec->arg, why, sizeof why);
	n = snprintf(text, sizeof text,
	    "HTTP/1.1 503 Service Unavailable\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Retry-After: 1\r\n"
	    "Connection: close\r\n\r\n%s%s",
	    strlen(why) + 1, is_head ? "" : why, is_head ? "" : "\n");
	(void)send(client->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* Not close(2): what the client still sends would be answered by a reset that overtakes ours. */
	(void)shutdown(client->fd, SHUT_WR);
	client->is_answered = true;
}

static void
on_client(void *arg, uint32_t events)
{
	struct unavailable_client *client = arg;
	char request[4096];
	ssize_t n = recv(client->fd, request, sizeof request, MSG_DONTWAIT);

	(void)events;
	if (n > 0 && !client->is_answered)
		answer(client, n >= 5 && memcmp(request, "HEAD ", 5) == 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		drop(client);
		update(client->owner);
	}
}

/* When its place may be taken by another one: who has asked has its answer, who has not had its time. */
static uint64_t
yields_ms(const struct unavailable_client *client)
{
	if (client->fd < 0)
		return 0;
	return client->is_answered ? 1 : client->due_ms - UNAVAILABLE_PATIENCE_MS + SILENCE_MS;
}

/* The one whose place is to be had first: a free one, one that was answered, the oldest. */
static struct unavailable_client *
next_place(struct unavailable *unavailable)
{
	struct unavailable_client *best = unavailable->clients;

	for (unsigned i = 1; i < UNAVAILABLE_CLIENTS; i++) {
		struct unavailable_client *client = &unavailable->clients[i];

		if (yields_ms(client) < yields_ms(best))
			best = client;
	}
	return best;
}

static bool
has_place(struct unavailable *unavailable, uint64_t now)
{
	return yields_ms(next_place(unavailable)) <= now;
}

static void
take(struct unavailable *unavailable, int fd)
{
	struct unavailable_client *client = next_place(unavailable);

	if (client->fd >= 0)
		drop(client);
	client->fd = fd;
	client->is_answered = false;
	client->due_ms = now_ms() + UNAVAILABLE_PATIENCE_MS;
	if (pollset_add(unavailable->set, fd, EPOLLIN | EPOLLRDHUP, &client->entry) < 0) {
		(void)close(fd);
		client->fd = -1;
	}
}

/* ---- the sockets ---- */

static void
on_connection(void *arg, uint32_t events)
{
	struct unavailable *unavailable = arg;

	(void)events;
	for (unsigned i = 0; i < unavailable->n_listening; i++) {
		for (int n = 0; n < BATCH && has_place(unavailable, now_ms()); n++) {
			int fd = accept4(
			    unavailable->listening[i], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

			if (fd < 0)
				break;
			take(unavailable, fd);
		}
	}
	update(unavailable);
}

static void
stop_accepting(struct unavailable *unavailable)
{
	for (unsigned i = 0; i < unavailable->n_listening; i++)
		pollset_remove(unavailable->set, unavailable->listening[i]);
	unavailable->n_listening = 0;
}

static void
accept_from(struct unavailable *unavailable)
{
	for (unsigned i = 0; i < unavailable->listeners->n; i++) {
		int fd = unavailable->listeners->held[i].fd;

		/* A server that blocks in accept(2) is no more, and we must not. */
		if (!listener_listens(fd) || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		    pollset_add(unavailable->set, fd, EPOLLIN, &unavailable->entry) < 0)
			continue;
		unavailable->listening[unavailable->n_listening++] = fd;
	}
}

/* ---- both ---- */

/* Drop who took too long, accept while there is room, and set the timer for what comes next. */
static void
update(struct unavailable *unavailable)
{
	uint64_t now = now_ms(), next = UINT64_MAX;
	bool accepts;

	for (unsigned i = 0; i < UNAVAILABLE_CLIENTS; i++) {
		struct unavailable_client *client = &unavailable->clients[i];

		if (client->fd >= 0 && client->due_ms <= now)
			drop(client);
		if (client->fd >= 0 && client->due_ms < next)
			next = client->due_ms;
	}
	accepts = unavailable->is_wanted && unavailable->begin_ms <= now;
	if (accepts && !has_place(unavailable, now)) {
		uint64_t place_ms = yields_ms(next_place(unavailable));

		accepts = false;
		next = place_ms < next ? place_ms : next;
	}
	if (unavailable->is_wanted && unavailable->begin_ms > now && unavailable->begin_ms < next)
		next = unavailable->begin_ms;
	if (!accepts)
		stop_accepting(unavailable);
	else if (unavailable->n_listening == 0)
		accept_from(unavailable);
	uv_update_time(unavailable->loop);
	if (next == UINT64_MAX)
		(void)uv_timer_stop(&unavailable->timer);
	else
		(void)uv_timer_start(&unavailable->timer, on_timer, next - now, 0);
}

void
unavailable_open(struct unavailable *unavailable, uv_loop_t *loop, struct pollset *set,
    const struct unavailable_spec *spec)
{
	*unavailable = (struct unavailable){ .spec = *spec, .set = set, .loop = loop };
	unavailable->entry =
	    (struct pollset_entry){ .on_ready = on_connection, .arg = unavailable };
	for (unsigned i = 0; i < UNAVAILABLE_CLIENTS; i++)
		unavailable->clients[i] = (struct unavailable_client){
			.owner = unavailable,
			.fd = -1,
			.entry = { .on_ready = on_client, .arg = &unavailable->clients[i] },
		};
	(void)uv_timer_init(loop, &unavailable->timer); /* cannot fail */
	unavailable->timer.data = unavailable;
}

void
unavailable_begin(
    struct unavailable *unavailable, const struct listeners *listeners, uint64_t delay_ms)
{
	uint64_t at = now_ms() + delay_ms;

	if (!unavailable->is_wanted || at < unavailable->begin_ms)
		unavailable->begin_ms = at;
	unavailable->is_wanted = true;
	unavailable->listeners = listeners;
	update(unavailable);
}

void
unavailable_end(struct unavailable *unavailable)
{
	if (!unavailable->is_wanted)
		return;
	unavailable->is_wanted = false;
	update(unavailable);
}

void
unavailable_close(struct unavailable *unavailable)
{
	unavailable->is_wanted = false;
	stop_accepting(unavailable);
	for (unsigned i = 0; i < UNAVAILABLE_CLIENTS; i++)
		if (unavailable->clients[i].fd >= 0)
			drop(&unavailable->clients[i]);
	uv_close((uv_handle_t *)&unavailable->timer, NULL);
}
