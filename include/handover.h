/* SPDX-License-Identifier: MIT */
/*
 * Giving a held socket to a server that knows nothing of it: a seccomp filter tells us of its
 * bind(2), and our socket is put in the place of its own (seccomp_unotify(2)).
 */
#ifndef INITD_HANDOVER_H
#define INITD_HANDOVER_H

#include "listener.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One bind(2) that waits for our answer, or one shutdown(2) that would end a listening socket for all. */
struct handover_bind {
	uint64_t id;
	bool is_shutdown; /* then only pid and fd are valid */
	pid_t pid;        /* the thread's */
	int fd;           /* in that process */
	bool is_known;    /* the rest is valid: an IPv4 or IPv6 address that could be read */
	bool is_tcp;
	union listener_address address;
	unsigned port;
};

/*
 * Could there be a filter? 0, or -errno: ENOSYS or EINVAL for a kernel before 5.9, EACCES without
 * no_new_privs, EPERM where Yama lets only root look into processes.
 */
int handover_check(bool no_new_privs);

/*
 * In the child, between fork and exec: install the filter and send its descriptor, or the errno,
 * over this end of a socket pair. Only system calls.
 */
void handover_in_child(int sock);

/* What the child sent to the other end: the descriptor of its filter, or -errno. */
int handover_receive(int sock);

/* May we look into this process at all? We may not if it is not dumpable (setuid, mode 0711) or of another user. */
bool handover_may_read(pid_t pid);

/*
 * Take the next bind(2), when the descriptor is readable. False if there is none: who called it may
 * have died. True obliges to one of the two that follow; both bear that it died meanwhile.
 */
bool handover_take(int filter_fd, struct handover_bind *bind);

/* Is the child's descriptor this socket of ours? */
bool handover_is_same(const struct handover_bind *bind, int fd);

/* Let the child believe that it was done. */
void handover_feign(int filter_fd, const struct handover_bind *bind);

/* Let the kernel do it. */
void handover_pass(int filter_fd, const struct handover_bind *bind);

/*
 * Put `fd` in the place of the child's, as inheritable as that was, and as blocking: but that is one
 * for all who have the socket, so it is made blocking only if nobody else `shares` it, who could be
 * caught in accept(2) by it. 0, or -errno: then it was passed.
 */
int handover_give(int filter_fd, const struct handover_bind *bind, int fd, bool shares);

#endif
