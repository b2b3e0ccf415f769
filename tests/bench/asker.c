/* SPDX-License-Identifier: MIT */
/*
 * asker PORT: asks http://127.0.0.1:PORT/health every 5 ms on a new connection, whatever became of
 * those before. The answer has a number; of the first answer with each higher one it says
 *     NUMBER NS LAST_NS FAILED
 * when it came, when the last one with a lower number did, and how many got none since the line
 * before. All times are CLOCK_MONOTONIC's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
	EVERY_NS = 5000000,
	PATIENCE_MS = 2000,
	MAX_CONNECTIONS = 900, /* below the usual limit of descriptors */
	TIMER = MAX_CONNECTIONS,
};

struct connection {
	int fd; /* -1: free */
	uint64_t opened_ns;
	size_t length;
	char text[1024];
};

struct asker {
	struct sockaddr_in address;
	int epoll_fd;
	int timer_fd;
	unsigned long number; /* the highest */
	uint64_t last_ns;     /* of the answers with a lower one: of all so far */
	unsigned failed;
	struct connection connections[MAX_CONNECTIONS];
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
note(struct asker *asker, unsigned long number, uint64_t ns)
{
	if (number > asker->number) {
		(void)printf(
		    "%lu %" PRIu64 " %" PRIu64 " %u\n", number, ns, asker->last_ns, asker->failed);
		(void)fflush(stdout);
		asker->number = number;
		asker->failed = 0;
	}
	asker->last_ns = ns;
}

static void
end(struct asker *asker, struct connection *connection, bool failed)
{
	(void)close(connection->fd);
	connection->fd = -1;
	asker->failed += failed;
}

static void
ask(struct asker *asker)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
				      "Connection: close\r\n\r\n";
	struct epoll_event event = { .events = EPOLLIN };
	struct connection *connection;
	size_t i = 0;

	while (i < MAX_CONNECTIONS && asker->connections[i].fd >= 0)
		i++;
	if (i == MAX_CONNECTIONS) {
		asker->failed++;
		return;
	}
	connection = &asker->connections[i];
	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		err(1, "socket");
	connection->opened_ns = now_ns();
	connection->length = 0;
	event.data.u64 = i;
	/* On the loopback what connect(2) began is done when it returns, or the backlog is full. */
	(void)connect(
	    connection->fd, (const struct sockaddr *)&asker->address, sizeof(asker->address));
	if (send(connection->fd, request, strlen(request), MSG_NOSIGNAL) < 0 ||
	    epoll_ctl(asker->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		end(asker, connection, true);
}

/* True when the number is complete: it ends with something that is no digit. */
static bool
parse(const char *text, unsigned long *number)
{
	const char *body = strstr(text, "\r\n\r\n");
	char *rest;

	if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || body == NULL)
		return false;
	while (*body != '\0' && !isdigit((unsigned char)*body))
		body++;
	*number = strtoul(body, &rest, 10);
	return rest > body && *rest != '\0';
}

static void
hear(struct asker *asker, struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->text + connection->length,
	    sizeof(connection->text) - 1 - connection->length, 0);
	unsigned long number;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(asker, connection, true);
		return;
	}
	connection->length += (size_t)n;
	connection->text[connection->length] = '\0';
	if (parse(connection->text, &number)) {
		note(asker, number, now_ns());
		end(asker, connection, false);
	}
}

static void
give_up(struct asker *asker)
{
	const uint64_t patience_ns = (uint64_t)PATIENCE_MS * 1000000;

	for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
		struct connection *connection = &asker->connections[i];

		if (connection->fd >= 0 && now_ns() - connection->opened_ns > patience_ns)
			end(asker, connection, true);
	}
}

static void
tick(struct asker *asker)
{
	uint64_t ticks;

	/* What was slept over is not caught up with: that would be a burst. */
	if (read(asker->timer_fd, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	give_up(asker);
	ask(asker);
}

static void
open_asker(struct asker *asker, int port)
{
	const struct itimerspec every = { .it_interval.tv_nsec = EVERY_NS, .it_value.tv_nsec = 1 };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = TIMER };

	asker->address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (size_t i = 0; i < MAX_CONNECTIONS; i++)
		asker->connections[i].fd = -1;
	asker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	asker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (asker->epoll_fd < 0 || asker->timer_fd < 0 ||
	    timerfd_settime(asker->timer_fd, 0, &every, NULL) < 0 ||
	    epoll_ctl(asker->epoll_fd, EPOLL_CTL_ADD, asker->timer_fd, &event) < 0)
		err(1, "timer");
}

int
main(int argc, char **argv)
{
	static struct asker asker;

	if (argc != 2)
		errx(64, "usage: asker PORT");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_asker(&asker, atoi(argv[1]));
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(asker.epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.u64 == TIMER)
				tick(&asker);
			else
				hear(&asker, &asker.connections[events[i].data.u64]);
	}
}
