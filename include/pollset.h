/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that come and go, on the loop. They are in an epoll instance of their own, and the loop
 * watches that: libuv aborts if the kernel has no room for one more descriptor to watch
 * (fs.epoll.max_user_watches, which all containers of a uid share), and here it is an error.
 */
#ifndef INITD_POLLSET_H
#define INITD_POLLSET_H

#include <stdint.h>
#include <uv.h>

struct pollset {
	uv_poll_t poll;
	int epoll_fd;
};

/* Who is told about a descriptor; it must last until pollset_remove(). */
struct pollset_entry {
	void (*on_ready)(void *arg, uint32_t events); /* EPOLLIN, EPOLLHUP… */
	void *arg;
};

/* 0 or a negative errno: then there is nothing to close. */
int pollset_open(struct pollset *set, uv_loop_t *loop);

/* Watch for `events` (level-triggered). 0 or -errno. */
int pollset_add(struct pollset *set, int fd, uint32_t events, struct pollset_entry *entry);

/* Watch it for something else. 0 or -errno. */
int pollset_change(struct pollset *set, int fd, uint32_t events, struct pollset_entry *entry);

/* Before fd is closed: others may have it, too, and then the kernel would go on. */
void pollset_remove(struct pollset *set, int fd);

/* Tell at once about what is ready, without waiting for the loop. */
void pollset_catch_up(struct pollset *set);

/* The loop must run once more. */
void pollset_close(struct pollset *set);

#endif
