/* SPDX-License-Identifier: MIT */
/* Descriptors that come and go, on the loop. */
#include "pollset.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	BATCH = 32, /* then others have their turn */
};

/* One at a time: what it leads to may remove any other. */
void
pollset_catch_up(struct pollset *set)
{
	struct epoll_event event;

	for (int i = 0; i < BATCH && epoll_wait(set->epoll_fd, &event, 1, 0) == 1; i++) {
		const struct pollset_entry *entry = event.data.ptr;

		entry->on_ready(entry->arg, event.events);
	}
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	pollset_catch_up(poll->data);
}

int
pollset_open(struct pollset *set, uv_loop_t *loop)
{
	int status;

	set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll_fd < 0)
		return -errno;
	status = uv_poll_init(loop, &set->poll, set->epoll_fd);
	if (status < 0) {
		(void)close(set->epoll_fd);
		return status;
	}
	set->poll.data = set;
	return uv_poll_start(&set->poll, UV_READABLE, on_readable); /* fails only while closing */
}

static int
control(struct pollset *set, int how, int fd, uint32_t events, struct pollset_entry *entry)
{
	struct epoll_event event = { .events = events, .data.ptr = entry };

	return epoll_ctl(set->epoll_fd, how, fd, &event) < 0 ? -errno : 0;
}

int
pollset_add(struct pollset *set, int fd, uint32_t events, struct pollset_entry *entry)
{
	return control(set, EPOLL_CTL_ADD, fd, events, entry);
}

int
pollset_change(struct pollset *set, int fd, uint32_t events, struct pollset_entry *entry)
{
	return control(set, EPOLL_CTL_MOD, fd, events, entry);
}

void
pollset_remove(struct pollset *set, int fd)
{
	(void)epoll_ctl(set->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void
pollset_close(struct pollset *set)
{
	uv_close((uv_handle_t *)&set->poll, NULL);
	(void)close(set->epoll_fd);
}
