/* SPDX-License-Identifier: MIT */
/* What the inits run. It reports nanoseconds on stdout, 8 bytes each; with no task it ends. */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The system call, because libc's first look at the vDSO would be part of what is timed. */
static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
report(uint64_t ns)
{
	if (write(STDOUT_FILENO, &ns, sizeof(ns)) != sizeof(ns))
		_exit(1);
}

static void
on_signal(int signum)
{
	(void)signum;
	report(now_ns());
}

static void
wait_for_signals(int signum, uint64_t started_ns)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (sigaction(signum, &action, NULL) < 0)
		err(1, "sigaction");
	report(started_ns);
	for (;;)
		(void)pause();
}

/* Says 200 to everybody, so that an init that asks has its answer; all inits' children share the port. */
static void
serve(int port, uint64_t started_ns)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	const struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		err(1, "port %d", port);
	report(started_ns);
	for (;;) {
		char request[1024];
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			continue;
		if (read(peer, request, sizeof(request)) > 0)
			(void)!write(peer, answer, strlen(answer));
		(void)close(peer);
	}
}

struct brood {
	size_t n;
	int gate_fd[2];  /* closed by the parent: all exit */
	int alive_fd[2]; /* one byte from each */
	pid_t pids[];
};

static struct brood *
brood_create(size_t n)
{
	size_t size = sizeof(struct brood) + n * sizeof(pid_t);
	struct brood *brood =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (brood == MAP_FAILED)
		err(1, "mmap");
	brood->n = n;
	if (pipe(brood->gate_fd) < 0 || pipe(brood->alive_fd) < 0)
		err(1, "pipe");
	return brood;
}

static void
live(const struct brood *brood)
{
	char byte = 0;

	(void)!write(brood->alive_fd[1], &byte, 1);
	(void)!read(brood->gate_fd[0], &byte, 1);
	_exit(0);
}

/* Forks them all and leaves them to PID 1. */
static void
breed(struct brood *brood)
{
	(void)close(brood->gate_fd[1]);
	for (size_t i = 0; i < brood->n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			_exit(1);
		if (pid == 0)
			live(brood);
		brood->pids[i] = pid;
	}
	_exit(0);
}

static void
orphan(struct brood *brood)
{
	pid_t breeder = fork();
	int status;
	char byte;

	if (breeder < 0)
		err(1, "fork");
	if (breeder == 0)
		breed(brood);
	if (waitpid(breeder, &status, 0) != breeder || status != 0)
		errx(1, "cannot fork %zu orphans", brood->n);
	for (size_t i = 0; i < brood->n; i++)
		if (read(brood->alive_fd[0], &byte, 1) != 1)
			err(1, "read");
}

/* A zombie can still be signalled: ESRCH says that PID 1 has reaped it. */
static void
await_reaping(const struct brood *brood)
{
	const struct timespec nap = { .tv_nsec = 100000 };

	for (size_t i = 0; i < brood->n; i++)
		while (kill(brood->pids[i], 0) == 0)
			(void)nanosleep(&nap, NULL);
}

static void
drain_orphans(size_t n)
{
	struct brood *brood = brood_create(n);
	uint64_t start_ns;

	orphan(brood);
	start_ns = now_ns();
	(void)close(brood->gate_fd[1]);
	await_reaping(brood);
	report(now_ns() - start_ns);
}

int
main(int argc, char **argv)
{
	uint64_t started_ns = now_ns();

	if (argc != 3)
		return 0;
	if (strcmp(argv[1], "wait") == 0)
		wait_for_signals(atoi(argv[2]), started_ns);
	if (strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]), started_ns);
	drain_orphans((size_t)atoi(argv[2]));
	return 0;
}
