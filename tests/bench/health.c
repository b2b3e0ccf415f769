/* SPDX-License-Identifier: MIT */
/*
 * Health checks of one server, each a process of its own: every round takes one sample of each. The
 * server is the child of a PID 1; all have a network namespace with a loopback and nothing else.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "pid1.h"

enum {
	PORT = 8000,
	MAX_CHECKS = 24,
	READY_MS = 10000,
	MAX_STEPS = 200000, /* more instructions take too long to count, and nobody wants to know */
	LIMIT_S = 600,
	SYSCALL_STOP = SIGTRAP | 0x80,
};

/* The two PID namespaces: with the PID 1 that is asked for, and with one that knows nothing. */
enum world {
	WORLD_INIT,
	WORLD_BARE,
	N_WORLDS,
};

static const char *const world_names[N_WORLDS] = { "init", "bare" };

struct check {
	enum world world;
	uid_t uid;
	char **argv;
};

enum {
	N_FIGURES = 4,
};

struct bench {
	size_t rounds;
	char **init; /* the PID 1 and its server */
	struct check checks[MAX_CHECKS];
	size_t n_checks;
	pid_t pids[N_WORLDS];
	int namespaces[N_WORLDS];
};

struct measure {
	const char *name;
	size_t n_figures;
	bool is_pinned; /* all on one CPU */
	void (*take)(
	    const struct bench *bench, const struct check *check, uint64_t figures[N_FIGURES]);
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t
microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void
nap(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&time, NULL);
}

/* ---- the world ---- */

static void
pin_to_last_cpu(void)
{
	cpu_set_t set;
	size_t last = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		err(1, "sched_getaffinity");
	while (!CPU_ISSET(last, &set))
		last--;
	CPU_ZERO(&set);
	CPU_SET(last, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "sched_setaffinity");
}

static void
make_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		err(1, "unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		err(1, "lo");
	(void)close(fd);
}

static void
be_init(const struct bench *bench, enum world world)
{
	if (world == WORLD_INIT) {
		(void)execv(bench->init[0], bench->init);
		err(1, "%s", bench->init[0]);
	}
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;)
		(void)pause();
}

static void
await_server(void)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	uint64_t end_ns = now_ns() + READY_MS * 1000000ULL;
	int fd, status;

	do {
		nap(10);
		if (now_ns() > end_ns)
			errx(1, "nobody listens on port %d", PORT);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		status = connect(fd, (const struct sockaddr *)&address, sizeof(address));
		(void)close(fd);
	} while (status < 0);
	nap(500); /* PID 1 has asked it by then */
}

static void
start_worlds(struct bench *bench)
{
	char path[64];

	make_network();
	for (enum world world = 0; world < N_WORLDS; world++) {
		bench->pids[world] = pid1_fork();
		if (bench->pids[world] < 0)
			err(1, "clone");
		if (bench->pids[world] == 0)
			be_init(bench, world);
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", bench->pids[world]);
		bench->namespaces[world] = open(path, O_RDONLY | O_CLOEXEC);
		if (bench->namespaces[world] < 0)
			err(1, "%s", path);
	}
	await_server();
}

static void
stop_worlds(const struct bench *bench)
{
	for (enum world world = 0; world < N_WORLDS; world++) {
		(void)kill(bench->pids[world], SIGKILL);
		(void)waitpid(bench->pids[world], NULL, 0);
	}
}

/* ---- one check ---- */

static void
enter(const struct bench *bench, const struct check *check)
{
	if (setns(bench->namespaces[check->world], CLONE_NEWPID) < 0)
		err(1, "setns");
}

/* Of the process that will exec, which may share our memory: nothing here touches it. */
static void
become(const struct check *check)
{
	if (check->uid != 0) {
		(void)syscall(SYS_setresgid, check->uid, check->uid, check->uid);
		(void)syscall(SYS_setresuid, check->uid, check->uid, check->uid);
	}
	(void)execv(check->argv[0], check->argv);
	_exit(127);
}

static void
expect_success(const struct check *check, int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "%s %s: ended with status 0x%x", check->argv[0],
		    check->argv[1] ? check->argv[1] : "", (unsigned)status);
}

/* Nanoseconds from vfork(2) to wait(2); its own processor time and memory, not the server's. */
static uint64_t
time_check(const struct bench *bench, const struct check *check, struct rusage *usage)
{
	uint64_t start_ns, end_ns;
	int status;
	pid_t pid;

	enter(bench, check);
	/* What others still have to do for the last one must not be charged to this one. */
	for (int i = 0; i < 20; i++)
		(void)sched_yield();
	start_ns = now_ns();
	pid = vfork();
	if (pid == 0)
		become(check);
	if (pid < 0 || wait4(pid, &status, 0, usage) != pid)
		err(1, "vfork");
	end_ns = now_ns();
	expect_success(check, status);
	return end_ns - start_ns;
}

/* ---- counting ---- */

/* Stopped at its exec: addresses decide how many steps some loops take, so they are not random. */
static pid_t
start_traced(const struct bench *bench, const struct check *check)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC |
			     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	int status;
	pid_t pid;

	enter(bench, check);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		(void)personality(ADDR_NO_RANDOMIZE);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		become(check);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, options) < 0 ||
	    ptrace(PTRACE_CONT, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) != pid ||
	    status >> 16 != PTRACE_EVENT_EXEC)
		errx(1, "%s: cannot be traced", check->argv[0]);
	return pid;
}

static bool
is_entry(pid_t pid)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static bool
is_counted(bool steps, pid_t pid, int status)
{
	if (status >> 16 != 0)
		return false;
	return steps ? WSTOPSIG(status) == SIGTRAP
		     : WSTOPSIG(status) == SYSCALL_STOP && is_entry(pid);
}

/* The signal that stopped it, if it is one of its own. */
static long
signal_of(int status)
{
	int signum = WSTOPSIG(status);
	bool ours =
	    status >> 16 != 0 || signum == SIGTRAP || signum == SYSCALL_STOP || signum == SIGSTOP;

	return ours ? 0 : signum;
}

/* Steps, or system calls, of it and all that it starts; 0: too many. */
static uint64_t
count(const struct bench *bench, const struct check *check, bool steps)
{
	pid_t first = start_traced(bench, check), pid = first;
	uint64_t n = 0;
	int status = 0;
	long signum = 0;

	while (n <= MAX_STEPS) {
		(void)ptrace(steps ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, pid, NULL, signum);
		/* Whoever ends is not to be resumed; another one stops, or it was the last. */
		while ((pid = waitpid(-1, &status, __WALL)) > 0 && !WIFSTOPPED(status))
			if (pid == first) {
				expect_success(check, status);
				return n;
			}
		if (pid < 0)
			err(1, "waitpid");
		n += is_counted(steps, pid, status);
		signum = signal_of(status);
	}
	(void)kill(first, SIGKILL);
	(void)waitpid(first, &status, __WALL);
	return 0;
}

static void
time_one(const struct bench *bench, const struct check *check, uint64_t figures[N_FIGURES])
{
	struct rusage usage = { 0 };

	figures[0] = time_check(bench, check, &usage);
	figures[1] = microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime);
	figures[2] = (uint64_t)usage.ru_minflt;
	figures[3] = (uint64_t)usage.ru_maxrss;
}

static void
count_one(const struct bench *bench, const struct check *check, uint64_t figures[N_FIGURES])
{
	figures[0] = count(bench, check, true);
	figures[1] = count(bench, check, false);
}

static const struct measure measures[] = {
	{ "time", 4, true, time_one },
	{ "time-anywhere", 4, false, time_one },
	{ "count", 2, true, count_one },
	{ "hold", 0, true, NULL },
};

static const struct measure *
measure_find(const char *name)
{
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		if (strcmp(name, measures[i].name) == 0)
			return &measures[i];
	errx(64, "%s: no such measure", name);
}

/*
 * Each round begins with another check. All have the same predecessor, the first one: behind a fat
 * one the caches are cold, and every round a lean one would have to pay for that.
 */
static void
run_rounds(const struct bench *bench, const struct measure *measure, FILE *out)
{
	size_t n = bench->n_checks;
	uint64_t ignored[N_FIGURES];
	uint64_t(*samples)[N_FIGURES] = calloc(n * bench->rounds, sizeof(*samples));

	if (!samples)
		err(1, "calloc");
	for (size_t round = 0; round < bench->rounds; round++)
		for (size_t i = 0; i < n; i++) {
			size_t turn = (round + i) % n;

			measure->take(bench, &bench->checks[0], ignored);
			measure->take(
			    bench, &bench->checks[turn], samples[turn * bench->rounds + round]);
		}
	/* One line per check, at the end only: a reader that wakes up in between would be measured. */
	for (size_t i = 0; i < n * bench->rounds; i++)
		for (size_t j = 0; j < measure->n_figures; j++)
			(void)fprintf(out, "%" PRIu64 "%c", samples[i][j],
			    j + 1 == measure->n_figures && (i + 1) % bench->rounds == 0 ? '\n'
											: ' ');
	free(samples);
}

/* Says who is PID 1, for a reader of /proc, until that reader closes our stdin. */
static void
hold(const struct bench *bench, int in, FILE *out)
{
	char byte;

	(void)fprintf(out, "%d\n", bench->pids[WORLD_INIT]);
	(void)fflush(out);
	while (read(in, &byte, 1) > 0)
		;
}

/* Nobody shall read our stdin or write into the figures. */
static int
keep_for_ourselves(int fd, int flags)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", flags | O_CLOEXEC);

	if (copy < 0 || null < 0 || dup2(null, fd) < 0)
		err(1, "/dev/null");
	return copy;
}

/* The next command of the line, which ends before "," or at its end. */
static char **
cut(char ***words)
{
	char **begin = *words;

	while (**words && strcmp(**words, ",") != 0)
		(*words)++;
	if (**words)
		*(*words)++ = NULL;
	return begin;
}

/* WORLD UID COMMAND [ARG]... */
static void
add_check(struct bench *bench, char **words)
{
	struct check *check = &bench->checks[bench->n_checks++];

	if (bench->n_checks > MAX_CHECKS || !words[0] || !words[1] || !words[2])
		errx(64, "more than %d checks, or one without COMMAND", MAX_CHECKS);
	*check =
	    (struct check){ .world = strcmp(words[0], world_names[WORLD_BARE]) == 0 ? WORLD_BARE
										    : WORLD_INIT,
		    .uid = (uid_t)strtoul(words[1], NULL, 10),
		    .argv = words + 2 };
}

int
main(int argc, char **argv)
{
	static struct bench bench;
	const struct measure *measure;
	char **words = argv + 3;
	int in;
	FILE *out;

	if (argc < 4)
		errx(64,
		    "usage: health MEASURE ROUNDS INIT [ARG]... [, init|bare UID COMMAND [ARG]...]...");
	/* To die of it ends all namespaces, too. */
	(void)alarm(LIMIT_S);
	measure = measure_find(argv[1]);
	bench.rounds = strtoul(argv[2], NULL, 10);
	bench.init = cut(&words);
	while (*words)
		add_check(&bench, cut(&words));
	in = keep_for_ourselves(STDIN_FILENO, O_RDONLY);
	out = fdopen(keep_for_ourselves(STDOUT_FILENO, O_WRONLY), "w");
	if (measure->is_pinned)
		pin_to_last_cpu();
	start_worlds(&bench);
	if (measure->take)
		run_rounds(&bench, measure, out);
	else
		hold(&bench, in, out);
	stop_worlds(&bench);
	return fclose(out) == 0 ? 0 : 1;
}
