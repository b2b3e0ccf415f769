/* SPDX-License-Identifier: MIT */
/*
 * What a probe in a process that lives on costs at least: floor_loop PORT PROBES PAUSE_MS. The pause
 * belongs to it: after it caches are cold, for PID 1 too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int
ask(const struct sockaddr_in *address)
{
	static const char request[] =
	    "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
	char answer[512];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t n;

	(void)connect(fd, (const struct sockaddr *)address, sizeof(*address));
	(void)send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	(void)poll(&readable, 1, 2000);
	n = recv(fd, answer, sizeof(answer), 0);
	(void)close(fd);
	return n > 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (argc != 4)
		return 64;
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	for (int i = 0; i < atoi(argv[2]); i++) {
		(void)poll(NULL, 0, atoi(argv[3]));
		if (ask(&address) < 0)
			return 1;
	}
	return 0;
}
