/* SPDX-License-Identifier: MIT */
/* server.hold_socket on the loop. */
#include "hold.h"

#include "handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- who binds what ---- */

/* Another server, who may be caught if the socket became a blocking one? */
static bool
is_shared(const struct hold *hold, const struct hold_family *family)
{
	for (const struct hold_family *other = hold->families; other; other = other->next)
		if (other != family && other->filter_fd >= 0 && other->is_bound)
			return true;
	return false;
}

/* It listens before the successor has it, so that no question that is meant for it goes to the server. */
static bool
open_door(struct hold *hold, const union listener_address *address, int fd)
{
	const struct listener *held = listeners_find(&hold->now, address);

	return held && listener_lead(held->fd, LISTENER_TO_OLD) == 0 && listener_listen(fd) == 0;
}

static void
use(struct listeners *listeners, int fd)
{
	for (unsigned i = 0; i < listeners->n; i++)
		if (listeners->held[i].fd == fd)
			listeners->held[i].is_used = true;
}

/*
 * At the end nothing is held any more, but a server that boots still shall not fail for the socket of its
 * predecessor, whose end it does not wait for.
 */
static int
take(struct hold_family *family, const union listener_address *address)
{
	struct hold *hold = family->hold;

	if (family->is_waiting)
		return -ECANCELED;
	return listeners_take(
	    family->is_successor || hold->is_released ? &hold->next : &hold->now, address);
}

static void
give(struct hold_family *family, const struct handover_bind *bind)
{
	struct hold *hold = family->hold;
	int fd = take(family, &bind->address), status;
	bool has_door;

	if (fd < 0) {
		handover_pass(family->filter_fd, bind); /* and it hears from the kernel why */
		return;
	}
	has_door =
	    family->is_successor && !hold->is_released && open_door(hold, &bind->address, fd);
	status = handover_give(family->filter_fd, bind, fd, is_shared(hold, family));
	if (hold->is_released)
		listeners_close(&hold->next, false);
	if (hold->is_released || status < 0)
		return;
	use(family->is_successor ? &hold->next : &hold->now, fd);
	if (!family->is_bound)
		family->has_door = has_door;
	family->is_bound = true;
	hold->spec.on_bound(hold->spec.arg, family);
}

static void
forget(struct hold_family *family)
{
	struct hold_family **at = &family->hold->families;

	while (*at != family)
		at = &(*at)->next;
	*at = family->next;
	free(family);
}

static void
end(struct hold_family *family)
{
	if (family->hold->is_open)
		pollset_remove(&family->hold->set, family->filter_fd);
	(void)close(family->filter_fd);
	family->filter_fd = -1;
	if (!family->is_owned)
		forget(family);
}

static bool
is_held(const struct hold *hold, const struct handover_bind *bind)
{
	const struct listeners *all[] = { &hold->now, &hold->next, &hold->leaving };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		for (unsigned k = 0; k < all[i]->n; k++)
			if (handover_is_same(bind, all[i]->held[k].fd))
				return true;
	return false;
}

static void
on_filter(void *arg, uint32_t events)
{
	struct hold_family *family = arg;
	const struct hold_spec *spec = &family->hold->spec;
	struct handover_bind bind;

	if (!(events & EPOLLIN)) {
		end(family); /* the last process with this filter is gone */
		return;
	}
	if (!handover_take(family->filter_fd, &bind))
		return;
	if (bind.is_shutdown && is_held(family->hold, &bind)) {
		handover_feign(family->filter_fd, &bind);
		return;
	}
	if (bind.is_tcp && bind.port == spec->port) {
		give(family, &bind);
		return;
	}
	if (bind.is_tcp && bind.port != 0)
		family->binds_other = true;
	handover_pass(family->filter_fd, &bind);
}

/* ---- the public ones ---- */

void
hold_init(struct hold *hold, const struct hold_spec *spec)
{
	*hold = (struct hold){ .spec = *spec };
	hold->next.joins = true;
}

int
hold_adopt(struct hold *hold, int filter_fd, bool is_successor, struct hold_family **family)
{
	struct hold_family *new = malloc(sizeof *new);
	int status = new ? 0 : -ENOMEM;

	*family = NULL;
	if (new) {
		*new = (struct hold_family){
			.hold = hold,
			.next = hold->families,
			.entry = { .on_ready = on_filter, .arg = new },
			.filter_fd = filter_fd,
			.is_owned = true,
			.is_successor = is_successor,
		};
		if (hold->is_open)
			status = pollset_add(&hold->set, filter_fd, EPOLLIN, &new->entry);
	}
	if (status < 0) {
		free(new);
		(void)close(filter_fd); /* its binds fail with ENOSYS from now on */
		return status;
	}
	hold->families = *family = new;
	return 0;
}

void
hold_leave(struct hold_family *family)
{
	if (!family)
		return;
	family->is_owned = false;
	if (family->filter_fd < 0)
		forget(family);
}

void
hold_catch_up(struct hold *hold)
{
	if (hold->is_open)
		pollset_catch_up(&hold->set);
}

int
hold_open(struct hold *hold, uv_loop_t *loop)
{
	int status = pollset_open(&hold->set, loop);

	if (status < 0)
		return status;
	hold->is_open = true;
	unavailable_open(&hold->unavailable, loop, &hold->set, &hold->spec.unavailable);
	for (struct hold_family *family = hold->families; family; family = family->next) {
		status = pollset_add(&hold->set, family->filter_fd, EPOLLIN, &family->entry);
		if (status < 0)
			return status;
	}
	return 0;
}

void
hold_has_server(struct hold *hold)
{
	if (hold->is_open)
		unavailable_end(&hold->unavailable);
}

void
hold_has_none(struct hold *hold, uint64_t delay_ms)
{
	/* The server's own listen(2) may have allowed five. */
	for (unsigned i = 0; i < hold->now.n; i++)
		if (listener_listens(hold->now.held[i].fd))
			(void)listener_listen(hold->now.held[i].fd);
	if (hold->is_open && !hold->is_released)
		unavailable_begin(&hold->unavailable, &hold->now, delay_ms);
}

static void
move_on(struct hold *hold)
{
	hold_forget(hold);
	hold->leaving = hold->now;
	hold->now = hold->next;
	hold->now.joins = false;
	hold->next.n = 0;
}

void
hold_promote(struct hold *hold, struct hold_family *successor)
{
	for (unsigned i = 0; i < hold->next.n; i++)
		(void)listener_lead(hold->next.held[i].fd, LISTENER_TO_NEXT);
	move_on(hold);
	if (successor)
		successor->is_successor = false;
}

/* The kernel goes over to it in the moment that it listens. */
static bool
divert(struct hold *hold, const struct listener *held)
{
	int fd = listeners_take(&hold->next, &held->address);

	if (fd < 0)
		return false;
	use(&hold->next, fd);
	return listener_lead(held->fd, LISTENER_TO_NEXT) == 0 && listener_listen(fd) == 0;
}

bool
hold_divert(struct hold *hold)
{
	bool could = hold->leaving.n == 0 && !hold->is_released;

	for (unsigned i = 0; i < hold->now.n && could; i++)
		if (listener_listens(hold->now.held[i].fd))
			could = divert(hold, &hold->now.held[i]);
	if (!could || hold->next.n == 0) {
		hold_dismiss(hold);
		return false;
	}
	move_on(hold);
	return true;
}

bool
hold_is_diverted(const struct hold *hold)
{
	return hold->leaving.n > 0;
}

bool
hold_is_drained(const struct hold *hold)
{
	for (unsigned i = 0; i < hold->leaving.n; i++)
		if (listener_backlog(hold->leaving.held[i].fd) > 0)
			return false;
	return true;
}

int
hold_take_next(struct hold *hold, bool *has_door)
{
	int fd = listeners_take(&hold->next, &hold->now.held[0].address);

	if (fd < 0)
		return fd;
	use(&hold->next, fd);
	*has_door = open_door(hold, &hold->now.held[0].address, fd);
	return fd;
}

void
hold_forget(struct hold *hold)
{
	listeners_close(&hold->leaving, true);
}

void
hold_dismiss(struct hold *hold)
{
	listeners_close(&hold->next, true);
}

void
hold_release(struct hold *hold)
{
	if (hold->is_open)
		unavailable_end(&hold->unavailable);
	hold->is_released = true;
	listeners_close(&hold->now, false);
	listeners_close(&hold->leaving, false);
	hold_dismiss(hold);
}

bool
hold_text(const struct hold *hold, char *buf, size_t size)
{
	size_t n = 0;

	*buf = '\0';
	for (unsigned i = 0; i < hold->now.n; i++) {
		char text[64];

		if (!hold->now.held[i].is_used)
			continue;
		listener_text(&hold->now.held[i].address, text, sizeof text);
		if (n + 2 + strlen(text) < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", text);
	}
	return n > 0;
}

size_t
hold_fds(const struct hold *hold, int *fds, size_t max)
{
	size_t n = 0;

	for (const struct hold_family *family = hold->families; family; family = family->next)
		if (family->filter_fd >= 0 && n < max)
			fds[n++] = family->filter_fd;
	for (unsigned i = 0; i < hold->now.n && n < max; i++)
		fds[n++] = hold->now.held[i].fd;
	return n;
}

void
hold_close(struct hold *hold)
{
	hold_release(hold);
	hold_forget(hold);
	for (struct hold_family *family = hold->families, *next; family; family = next) {
		next = family->next;
		if (family->filter_fd >= 0)
			(void)close(family->filter_fd);
		free(family);
	}
	hold->families = NULL;
	if (!hold->is_open)
		return;
	unavailable_close(&hold->unavailable);
	pollset_close(&hold->set);
}
