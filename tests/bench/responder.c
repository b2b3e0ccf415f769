/* SPDX-License-Identifier: MIT */
/* A server that says 200 to everybody: responder PORT. It stands in where there is no nginx. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
			     "Connection: close\r\n\r\nok\n";

int
main(int argc, char **argv)
{
	static const int yes = 1;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 8000),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	char request[4096];

	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
		err(1, "port %d", ntohs(address.sin_port));
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (read(fd, request, sizeof(request)) > 0)
			(void)!write(fd, answer, sizeof(answer) - 1);
		(void)close(fd);
	}
	err(1, "accept");
}
