/* SPDX-License-Identifier: MIT */
/* initd status and initd restart: what a person or program asks of the initd that runs. */
#include "cmd.h"
#include "cmdline.h"
#include "control.h"
#include "exit_code.h"
#include "log.h"
#include "proc.h"
#include "status.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_TIMEOUT_MS = 2000,
	WAIT_INTERVAL_MS = 50,
};

static int
take_answer(int fd, int pid, struct status *status, struct error *err)
{
	char answer[CONTROL_ANSWER_SIZE];
	ssize_t n = control_wait(fd, ANSWER_TIMEOUT_MS, answer);

	if (n == -ETIMEDOUT)
		return error_set(err, "pid %d does not answer: stopped or stalled", pid);
	if (n < 0)
		return error_set(err, "pid %d: %s", pid, strerror((int)-n));
	if (strncmp(answer, CONTROL_ERROR, strlen(CONTROL_ERROR)) == 0)
		return error_set(err, "pid %d: %s", pid, answer + strlen(CONTROL_ERROR));
	if (!status_read(status, answer))
		return error_set(err, "pid %d: an answer of another version", pid);
	return 0;
}

static int
ask(pid_t pid, enum control_question question, struct status *status, struct error *err)
{
	int fd = control_ask(pid, question, ANSWER_TIMEOUT_MS, NULL), result;

	memset(status, 0, sizeof *status);
	if (fd == -EAGAIN)
		return error_set(err, "pid %d does not answer: stopped or stalled", (int)pid);
	if (fd < 0)
		return error_set(err, "no initd with pid %d here: %s", (int)pid, strerror(-fd));
	result = take_answer(fd, (int)pid, status, err);
	(void)close(fd);
	return result;
}

/* Everybody may read that file; PID 1 itself need not. */
static void
read_memory(uint64_t pid, uint64_t *now_kb, uint64_t *peak_kb)
{
	char path[64], line[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%llu/status", (unsigned long long)pid);
	file = pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return;
	while (fgets(line, sizeof line, file)) {
		if (strncmp(line, "VmRSS:", 6) == 0)
			*now_kb = strtoull(line + 6, NULL, 10);
		else if (strncmp(line, "VmHWM:", 6) == 0)
			*peak_kb = strtoull(line + 6, NULL, 10);
	}
	(void)fclose(file);
}

static bool
is_in_state(const struct status *status, const char *state)
{
	return strcmp(status->state, state) == 0;
}

/* Until the server after the first `starts` ones is ready, or has failed. */
static int
wait_for_successor(pid_t pid, uint64_t starts, struct log *log)
{
	struct status status;
	struct error err;

	for (;;) {
		if (ask(pid, CONTROL_STATUS, &status, &err) < 0) {
			log_line(log, LOG_ERROR, "%s", err.msg);
			return EXIT_CODE_UNHEALTHY;
		}
		/* One that failed beside its predecessor is started once more, alone. */
		if (status.is_retry && status.starts == starts + 2)
			status.starts--;
		if (status.starts == starts && *status.successor &&
		    !is_in_state(&status, "overlapping")) {
			log_line(log, LOG_ERROR, "the successor failed: %s", status.successor);
			return EXIT_CODE_UNHEALTHY;
		}
		if (status.starts > starts + 1 || is_in_state(&status, "backoff") ||
		    is_in_state(&status, "waiting") || is_in_state(&status, "ending")) {
			log_line(log, LOG_ERROR, "%s: %s",
			    status.starts == starts ? "no new server was started"
						    : "the new server ended",
			    status.last_exit);
			return EXIT_CODE_UNHEALTHY;
		}
		if (status.starts == starts + 1 &&
		    (status.ready || is_in_state(&status, "running")))
			return EXIT_CODE_OK;
		(void)poll(NULL, 0, WAIT_INTERVAL_MS);
	}
}

/* The words, and whom to ask. */
static int
begin(struct cmdline *cmd, int argc, char **argv, unsigned options, struct log *log)
{
	struct error err;

	log_init(log);
	if (cmdline_parse(cmd, argc, argv, options, &err) == 0) {
		if (!cmd->operands[0])
			return 0;
		(void)error_set(&err, "unknown word %.100s; see initd --help", cmd->operands[0]);
	}
	log_line(log, LOG_ERROR, "%s", err.msg);
	return EXIT_CODE_USAGE;
}

int
cmd_status(int argc, char **argv, const struct proc_signals *inherited)
{
	struct cmdline cmd;
	struct status status;
	struct error err;
	struct log log;
	uint64_t peak_kb; /* of a standby nobody wants to know */

	proc_set_mask(SIG_SETMASK, inherited->mask, NULL);
	if (begin(&cmd, argc, argv, CMDLINE_JSON | CMDLINE_PID, &log) != 0)
		return EXIT_CODE_USAGE;
	if (ask(cmd.pid ? cmd.pid : CONTROL_INIT_PID, CONTROL_STATUS, &status, &err) < 0) {
		log_line(&log, LOG_ERROR, "%s", err.msg);
		return EXIT_CODE_UNAVAILABLE;
	}
	read_memory(status.pid, &status.memory_kb, &status.memory_peak_kb);
	read_memory(status.standby_pid, &status.standby_memory_kb, &peak_kb);
	if (cmd.json)
		status_print_json(&status, stdout);
	else
		status_print(&status, stdout);
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_CODE_OK : EXIT_CODE_REFUSED;
}

int
cmd_restart(int argc, char **argv, const struct proc_signals *inherited)
{
	struct cmdline cmd;
	struct status status;
	struct error err;
	struct log log;
	pid_t pid;

	proc_set_mask(SIG_SETMASK, inherited->mask, NULL);
	if (begin(&cmd, argc, argv, CMDLINE_WAIT | CMDLINE_PID, &log) != 0)
		return EXIT_CODE_USAGE;
	pid = cmd.pid ? cmd.pid : CONTROL_INIT_PID;
	if (ask(pid, CONTROL_RESTART, &status, &err) < 0) {
		log_line(&log, LOG_ERROR, "%s", err.msg);
		return EXIT_CODE_UNAVAILABLE;
	}
	return cmd.wait ? wait_for_successor(pid, status.starts, &log) : EXIT_CODE_OK;
}
