/* SPDX-License-Identifier: MIT */
/* The sockets that initd keeps for its servers: one port, up to some addresses. */
#ifndef INITD_LISTENER_H
#define INITD_LISTENER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	LISTENERS_MAX = 4,
};

union listener_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct listener {
	int fd;
	bool is_used; /* a server has it, or had it */
	union listener_address address;
};

struct listeners {
	struct listener held[LISTENERS_MAX];
	unsigned n;
	bool joins; /* others of ours have the same addresses */
};

/* A literal address, or localhost, which is 127.0.0.1. False if it is none. */
bool listener_parse(union listener_address *address, const char *host, unsigned port);

unsigned listener_port(const union listener_address *address);

/* "0.0.0.0:8000", "[::]:8000" */
void listener_text(const union listener_address *address, char *buf, size_t size);

/*
 * The socket for an address: the one that is held, or one that is bound now. It does not listen
 * before somebody calls listen(2). A descriptor, or -errno of bind(2) and its like.
 */
int listeners_take(struct listeners *listeners, const union listener_address *address);

/* The one that is held for an address, or NULL. */
const struct listener *listeners_find(
    const struct listeners *listeners, const union listener_address *address);

/* Clients may queue now, whoever will answer them. 0 or -errno. */
int listener_listen(int fd);
bool listener_listens(int fd);

/* Clients that wait in it to be accepted. */
unsigned listener_backlog(int fd);

/* How connections are dealt out between a server and its successor at the same address. */
enum listener_lead {
	LISTENER_TO_OLD, /* to the first that listened, but for those that are marked */
	LISTENER_TO_NEXT,
};

/* What marks a connection for the successor: its IP_TOS or IPV6_TCLASS; of a code point for local use (RFC 2474, 6). */
#define LISTENER_MARK 0xac

/* 0 or -errno: then the kernel deals them out by chance. */
int listener_lead(int fd, enum listener_lead lead);

/* Let go of them. `all` is for all who have them: what still queues there is reset. */
void listeners_close(struct listeners *listeners, bool all);

#endif
