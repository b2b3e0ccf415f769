/* SPDX-License-Identifier: MIT */
/* The sockets that initd keeps for its servers. */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BACKLOG = 4096, /* net.core.somaxconn limits it */
};

bool
listener_parse(union listener_address *address, const char *host, unsigned port)
{
	memset(address, 0, sizeof *address);
	if (strcasecmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &address->in.sin_addr) == 1) {
		address->in.sin_family = AF_INET;
		address->in.sin_port = htons((uint16_t)port);
		return true;
	}
	memset(address, 0, sizeof *address);
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, host, &address->in6.sin6_addr) == 1;
}

unsigned
listener_port(const union listener_address *address)
{
	return ntohs(
	    address->any.sa_family == AF_INET6 ? address->in6.sin6_port : address->in.sin_port);
}

void
listener_text(const union listener_address *address, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	bool is_v6 = address->any.sa_family == AF_INET6;
	const void *from =
	    is_v6 ? (const void *)&address->in6.sin6_addr : (const void *)&address->in.sin_addr;

	if (!inet_ntop(address->any.sa_family, from, host, sizeof host))
		host[0] = '\0';
	(void)snprintf(buf, size, is_v6 ? "[%s]:%u" : "%s:%u", host, listener_port(address));
}

static bool
is_same(const union listener_address *a, const union listener_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
}

const struct listener *
listeners_find(const struct listeners *listeners, const union listener_address *address)
{
	for (unsigned i = 0; i < listeners->n; i++)
		if (is_same(&listeners->held[i].address, address))
			return &listeners->held[i];
	return NULL;
}

/* 0 or -errno. */
static int
bind_fd(int fd, const union listener_address *address, bool joins)
{
	const int on = 1;
	socklen_t length =
	    address->any.sa_family == AF_INET ? sizeof address->in : sizeof address->in6;
	int off = 0, status;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* uvicorn takes a passed socket for a unix one and does not set it; accepted sockets inherit it. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (joins)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (address->any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	status = bind(fd, &address->any, length) < 0 ? -errno : 0;
	/* Somebody has the IPv4 side of [::], maybe we: who binds both asks for the IPv6 side only. */
	if (status == -EADDRINUSE && address->any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0)
		status = bind(fd, &address->any, length) < 0 ? -errno : 0;
	/* Only now: before, the port would not be in use for another initd of our uid in this network. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	return status;
}

/* What was bound early, and nobody asked for, must not be in the way of what somebody asks for. */
static void
drop_unused(struct listeners *listeners)
{
	unsigned n = 0;

	for (unsigned i = 0; i < listeners->n; i++)
		if (listeners->held[i].is_used)
			listeners->held[n++] = listeners->held[i];
		else
			(void)close(listeners->held[i].fd);
	listeners->n = n;
}

int
listeners_take(struct listeners *listeners, const union listener_address *address)
{
	const struct listener *held = listeners_find(listeners, address);
	int fd, status;

	if (held)
		return held->fd;
	drop_unused(listeners);
	if (listeners->n == LISTENERS_MAX)
		return -ENOBUFS;
	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	status = bind_fd(fd, address, listeners->joins);
	if (status < 0) {
		(void)close(fd);
		return status;
	}
	listeners->held[listeners->n++] = (struct listener){ .fd = fd, .address = *address };
	return fd;
}

int
listener_listen(int fd)
{
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

bool
listener_listens(int fd)
{
	int on = 0;
	socklen_t length = sizeof on;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &length) == 0 && on;
}

unsigned
listener_backlog(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof info;

	/* Of a listening socket it is the length of its queue. */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_unacked : 0;
}

/*
 * A program of the group of sockets at one address (SO_REUSEPORT) says which one a connection is
 * for, by their order of listen(2): 0 is the server, 1 its successor. If there is no such one, the
 * kernel deals by a hash; among one that is no choice.
 */
int
listener_lead(int fd, enum listener_lead lead)
{
	const uint32_t net = (uint32_t)SKF_NET_OFF;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, net),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x60, 2, 0), /* IPv6? */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, net + 1),     /* TOS */
		BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, net), /* 6, traffic class, … */
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfc), /* without the bits of ECN */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LISTENER_MARK & 0xfc, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, lead == LISTENER_TO_NEXT),
	};
	const struct sock_fprog program = { .len = sizeof code / sizeof code[0], .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0
		   ? -errno
		   : 0;
}

void
listeners_close(struct listeners *listeners, bool all)
{
	for (unsigned i = 0; i < listeners->n; i++) {
		/* On a listening socket it is the end for everybody: tcp_disconnect() in the kernel. */
		if (all)
			(void)shutdown(listeners->held[i].fd, SHUT_RDWR);
		(void)close(listeners->held[i].fd);
	}
	listeners->n = 0;
}
