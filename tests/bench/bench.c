/* SPDX-License-Identifier: MIT */
/* Times several inits, each PID 1 of its own namespace: every round takes one sample of each. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "pid1.h"

enum {
	MAX_INITS = 16,
	ANSWER_MS = 30000
};

struct init {
	char **argv;
	pid_t pid;
	int answer_fd; /* the child's stdout */
};

struct bench {
	struct init inits[MAX_INITS];
	size_t n_inits, rounds;
	uint64_t delay_ns;
	size_t cpu, init_cpu;
	_Atomic uint64_t *exec_ns; /* shared with the process that will exec: when it did */
};

enum {
	RESIDENT = 1, /* one life of the init serves all rounds */
	TWO_CPUS = 2  /* driver and init run at the same time */
};

struct measure {
	const char *name;
	unsigned flags;
	uint64_t (*sample)(const struct bench *bench, struct init *init);
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
pin(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "sched_setaffinity");
}

static void
become(const struct bench *bench, const struct init *init, int out_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0)
		err(1, "dup2");
	pin(bench->init_cpu);
	atomic_store(bench->exec_ns, now_ns());
	(void)execv(init->argv[0], init->argv);
	err(1, "%s", init->argv[0]);
}

static void
start(const struct bench *bench, struct init *init)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		err(1, "pipe");
	atomic_store(bench->exec_ns, 0);
	init->pid = pid1_fork();
	if (init->pid < 0)
		err(1, "clone");
	if (init->pid == 0)
		become(bench, init, fd[1]);
	(void)close(fd[1]);
	init->answer_fd = fd[0];
}

static void
stop(const struct init *init)
{
	(void)kill(init->pid, SIGKILL);
	(void)waitpid(init->pid, NULL, 0);
	(void)close(init->answer_fd);
}

/* False when init and child are both gone: then nobody holds the other end of the pipe. */
static bool
answered(const struct init *init, uint64_t *ns)
{
	struct pollfd pollfd = { .fd = init->answer_fd, .events = POLLIN };

	if (poll(&pollfd, 1, ANSWER_MS) != 1)
		errx(1, "%s: no answer in %d ms", init->argv[0], ANSWER_MS);
	return read(init->answer_fd, ns, sizeof(*ns)) == sizeof(*ns);
}

static uint64_t
answer(const struct init *init)
{
	uint64_t ns;

	if (!answered(init, &ns))
		errx(1, "%s: ended without an answer", init->argv[0]);
	return ns;
}

static uint64_t
sample_start(const struct bench *bench, struct init *init)
{
	uint64_t ns;

	start(bench, init);
	ns = answer(init) - atomic_load(bench->exec_ns);
	stop(init);
	return ns;
}

static uint64_t
sample_signal(const struct bench *bench, struct init *init)
{
	uint64_t sent_ns, caught_ns;

	(void)bench;
	sent_ns = now_ns();
	(void)kill(init->pid, SIGTERM);
	caught_ns = answer(init);
	/* What this init does after the signal must not be charged to the next one on the same CPU. */
	for (int i = 0; i < 20; i++)
		(void)sched_yield();
	return caught_ns - sent_ns;
}

static uint64_t
sample_orphans(const struct bench *bench, struct init *init)
{
	uint64_t ns;

	start(bench, init);
	ns = answer(init);
	stop(init);
	return ns;
}

static void
spin_until_due(const struct bench *bench)
{
	uint64_t exec_ns, give_up_ns = now_ns() + ANSWER_MS * 1000000ULL;

	/* The process is born on our CPU and must run to leave it. */
	while ((exec_ns = atomic_load(bench->exec_ns)) == 0 && now_ns() < give_up_ns)
		(void)sched_yield();
	while (now_ns() < exec_ns + bench->delay_ns)
		;
}

/*
 * 1 if the init loses a SIGTERM this early. The child dies of SIGTERM but answers SIGWINCH, which
 * is sent later and has the higher number: it can only overtake a SIGTERM that is not on its way.
 */
static uint64_t
sample_early(const struct bench *bench, struct init *init)
{
	uint64_t ns;
	bool lost;

	start(bench, init);
	spin_until_due(bench);
	(void)kill(init->pid, SIGTERM);
	lost = answered(init, &ns);
	if (lost) {
		(void)kill(init->pid, SIGWINCH);
		lost = answered(init, &ns);
	}
	stop(init);
	return lost;
}

static const struct measure measures[] = {
	{ "start", 0, sample_start },
	{ "signal", RESIDENT, sample_signal },
	{ "orphans", 0, sample_orphans },
	{ "early", TWO_CPUS, sample_early },
	{ "hold", RESIDENT, NULL },
};

static const struct measure *
measure_find(const char *name)
{
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		if (strcmp(name, measures[i].name) == 0)
			return &measures[i];
	errx(64, "%s: no such measure", name);
}

static void
start_all(struct bench *bench)
{
	for (size_t i = 0; i < bench->n_inits; i++) {
		start(bench, &bench->inits[i]);
		(void)answer(&bench->inits[i]);
	}
}

static void
stop_all(const struct bench *bench)
{
	for (size_t i = 0; i < bench->n_inits; i++)
		stop(&bench->inits[i]);
}

/* Says who runs, for a reader of /proc, until that reader closes our stdin. */
static void
hold(const struct bench *bench)
{
	char byte;

	for (size_t i = 0; i < bench->n_inits; i++)
		(void)printf("%d\n", bench->inits[i].pid);
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* Each round begins with another init, so that none always has the same predecessor. */
static void
take_samples(struct bench *bench, const struct measure *measure, uint64_t *samples)
{
	for (size_t round = 0; round < bench->rounds; round++)
		for (size_t i = 0; i < bench->n_inits; i++) {
			size_t turn = (round + i) % bench->n_inits;

			samples[turn * bench->rounds + round] =
			    measure->sample(bench, &bench->inits[turn]);
		}
}

/* One line per init, at the end only: a reader that wakes up in between would be measured too. */
static void
print_samples(const struct bench *bench, const uint64_t *samples)
{
	for (size_t i = 0; i < bench->n_inits; i++)
		for (size_t round = 0; round < bench->rounds; round++)
			(void)printf("%" PRIu64 "%c", samples[i * bench->rounds + round],
			    round + 1 < bench->rounds ? ' ' : '\n');
}

static void
run_rounds(struct bench *bench, const struct measure *measure)
{
	uint64_t *samples = calloc(bench->n_inits * bench->rounds, sizeof(*samples));

	if (samples == NULL)
		err(1, "calloc");
	take_samples(bench, measure, samples);
	print_samples(bench, samples);
	free(samples);
}

static void
run(struct bench *bench, const struct measure *measure)
{
	if (measure->flags & RESIDENT)
		start_all(bench);
	if (measure->sample != NULL)
		run_rounds(bench, measure);
	else
		hold(bench);
	if (measure->flags & RESIDENT)
		stop_all(bench);
}

/* Interrupts tend to go to the first CPU, so the init gets the last one. */
static void
choose_cpus(struct bench *bench, bool two)
{
	cpu_set_t set;
	size_t first = 0, last = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		err(1, "sched_getaffinity");
	while (!CPU_ISSET(first, &set))
		first++;
	while (!CPU_ISSET(last, &set))
		last--;
	if (two && first == last)
		errx(1, "needs two CPUs");
	bench->init_cpu = last;
	bench->cpu = two ? first : last;
	pin(bench->cpu);
}

/* Of no effect where it is not allowed: the load of the machine is measured too, then. */
static void
outrank_others(void)
{
	const struct sched_param param = { .sched_priority = 1 };

	(void)sched_setscheduler(0, SCHED_FIFO, &param);
}

static void
share_exec_time(struct bench *bench)
{
	void *page = mmap(NULL, sizeof(*bench->exec_ns), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		err(1, "mmap");
	bench->exec_ns = page;
}

/* Cuts the words at each "," into one command per init. */
static void
split_commands(struct bench *bench, char **words)
{
	bench->inits[bench->n_inits++].argv = words;
	for (; *words != NULL; words++) {
		if (strcmp(*words, ",") != 0)
			continue;
		if (bench->n_inits == MAX_INITS)
			errx(64, "more than %d inits", MAX_INITS);
		*words = NULL;
		bench->inits[bench->n_inits++].argv = words + 1;
	}
}

int
main(int argc, char **argv)
{
	struct bench bench = { 0 };
	const struct measure *measure;

	if (argc < 5)
		errx(64, "usage: bench MEASURE ROUNDS DELAY_US INIT [ARG]... [, INIT [ARG]...]...");
	measure = measure_find(argv[1]);
	bench.rounds = strtoul(argv[2], NULL, 10);
	bench.delay_ns = strtoul(argv[3], NULL, 10) * 1000;
	split_commands(&bench, argv + 4);
	choose_cpus(&bench, measure->flags & TWO_CPUS);
	if (measure->flags & TWO_CPUS)
		outrank_others();
	share_exec_time(&bench);
	run(&bench, measure);
	return 0;
}
