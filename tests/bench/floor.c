/* SPDX-License-Identifier: MIT */
/* What a health check costs at least: socket, connect, write, read, exit. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static const char request[] =
	    "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 8000),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	char answer[512];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    write(fd, request, sizeof(request) - 1) < 0 || read(fd, answer, sizeof(answer)) < 12)
		return 1;
	return memcmp(answer, "HTTP/1.1 2", 10) != 0;
}
