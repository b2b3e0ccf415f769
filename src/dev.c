/* SPDX-License-Identifier: MIT */
/* A dev container: changes, and what they lead to. */
#include "dev.h"

#include "bytecode.h"
#include "parse.h"
#include "say.h"
#include "succession.h"
#include "watch_auto.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One file that changed since the last server: tell the next one, and do not let it run old bytecode. */
static void
on_taken(void *arg, const struct tree_dir *dir, const struct tree_file *file, enum scan_fact fact)
{
	struct supervisor *sv = arg;
	char path[PATH_MAX], below[WATCH_PATH_SIZE];
	int status;

	(void)fact;
	(void)tree_path(dir, file->name, true, below, sizeof below);
	if (tree_path(dir, file->name, false, path, sizeof path) >= sizeof path)
		return;
	changes_add(&sv->dev->changes, path, below, sv->dev->changed);
	status = bytecode_remove(path);
	if (status < 0)
		log_line(sv->spec.log, LOG_WARN,
		    "%s: its old bytecode cannot be removed, and Python may run that: %s", path,
		    strerror(-status));
}

void
dev_take_changes(struct supervisor *sv, struct server *server)
{
	struct dev *dev = sv->dev;
	const char *also;
	unsigned n_said;

	/* What the last one was not told, because it was not started, is for this one. */
	if (dev->is_told)
		changes_begin(&dev->changes);
	n_said = dev->changes.n_also;
	dev->is_told = false;
	watch_take(&dev->watch, on_taken, sv);
	server->spec.env = changes_environment(&dev->changes, succession_environment(sv));
	also = changes_also(&dev->changes);
	if (also && dev->changes.n_also > n_said)
		log_line(sv->spec.log, LOG_INFO, "also changed: %s", also);
	dev->changed[0] = '\0';
}

/*
 * It failed soon after its start, and files were written meanwhile that have the same contents now: that
 * may be why. Once.
 */
void
dev_try_again(struct supervisor *sv)
{
	struct dev *dev = sv->dev;
	bool is_early = supervisor_now_ms() - sv->life.started_ms < LOOP_GUARD_EARLY_MS;

	if (!sv->watching || !sv->life.failed || !is_early || dev->retried ||
	    !watch_suspect(&dev->watch))
		return;
	dev->retried = true;
	(void)snprintf(sv->asked, sizeof sv->asked, "again, files were written meanwhile");
	say_asked(sv, "starting");
	supervisor_advance(sv, LIFE_EV_CHANGED, 0);
}

/* It would be started, or is not to be stopped any more. */
static bool
starts_by_change(const struct supervisor *sv)
{
	return sv->life.state == LIFE_RUNNING || sv->life.state == LIFE_OVERLAPPING ||
	       sv->life.state == LIFE_BACKOFF || sv->life.failed || supervisor_gives_up(sv);
}

static void
note_change(struct supervisor *sv, const struct watch_change *change)
{
	static const char words[][12] = {
		[SCAN_NEW] = "is new",
		[SCAN_CHANGED] = "changed",
		[SCAN_REMOVED] = "was removed",
	};
	struct dev *dev = sv->dev;

	dev->restarts++;
	dev->retried = false;
	dev->changed_ms = supervisor_now_ms();
	(void)snprintf(dev->changed, sizeof dev->changed, "%s", change->path);
	(void)snprintf(dev->change, sizeof dev->change, "%s %s", change->path, words[change->what]);
	(void)snprintf(sv->asked, sizeof sv->asked, "%s", dev->change);
}

/* How long a server that seems to restart itself is left in peace; 0: not at all. */
static uint64_t
guard_against_loop(struct supervisor *sv, const struct watch_change *change)
{
	const struct loop_guard_change asked = {
		.path = change->path,
		.alone = change->alone,
		/* Who mends what has failed is a person, too. */
		.answered = (sv->probing && sv->prober.health.ready) || sv->life.failed,
		.age_ms = supervisor_now_ms() - sv->life.started_ms,
	};
	bool tell;
	uint64_t hold_ms;

	if (!change->is_ours) {
		loop_guard_absolve(&sv->dev->guard);
		return 0;
	}
	hold_ms = loop_guard_ask(&sv->dev->guard, &asked, &tell);
	if (tell && sv->dev->guard.streak == LOOP_GUARD_STREAK)
		log_line(sv->spec.log, LOG_WARN,
		    "%d restarts in a row, each soon after the server's start, the last one by %s: if the server writes such files, add them to watch.ignore; from now on they have to wait",
		    LOOP_GUARD_STREAK, change->path);
	else if (tell)
		log_line(sv->spec.log, LOG_WARN,
		    "%s has restarted the server %d times, each soon after its start: if the server writes it, add it to watch.ignore; from now on it has to wait",
		    change->path, LOOP_GUARD_RESTARTS);
	return hold_ms;
}

static uint64_t
on_change(void *arg, const struct watch_change *change)
{
	struct supervisor *sv = arg;
	int wanted = sv->spec.config->stop_signal;
	bool is_running = sv->life.state == LIFE_RUNNING || sv->life.state == LIFE_OVERLAPPING;
	uint64_t hold_ms = is_running || sv->life.failed ? guard_against_loop(sv, change) : 0;

	if (sv->succession)
		hold_catch_up(&sv->succession->hold);
	if (hold_ms > 0 || supervisor_is_ending(sv))
		return hold_ms;
	if (starts_by_change(sv)) {
		note_change(sv, change);
		sv->stop_signal = wanted ? wanted : SIGTERM;
		if (!is_running && sv->life.state != LIFE_STOPPING)
			say_asked(sv, "starting");
	}
	supervisor_advance(sv, LIFE_EV_CHANGED, 0);
	return 0;
}

static void
on_watch_fact(void *arg, enum watch_fact fact, const char *text)
{
	struct supervisor *sv = arg;
	struct log *log = sv->spec.log;
	char interval[32];

	switch (fact) {
	case WATCH_READY:
		say_watching(sv);
		break;
	case WATCH_QUIET:
		supervisor_advance(sv, LIFE_EV_QUIET, 0);
		break;
	case WATCH_POLLS:
		(void)duration_text(sv->spec.config->watch_poll_interval_ms, interval);
		log_line(log, LOG_WARN, "looking for changes every %s: %s", interval, text);
		break;
	case WATCH_OVERFLOW:
		log_line(log, LOG_INFO,
		    "too many changes at once, or an unmount: looking at all files again");
		break;
	case WATCH_BLIND:
		log_line(log, LOG_WARN,
		    "inotify does not hear of all changes on %s, and watch.backend rules out to look",
		    text);
		break;
	case WATCH_MISSING:
		log_line(log, LOG_WARN, "%s is not there or not to be read, waiting for it", text);
		break;
	case WATCH_BACK:
		log_line(log, LOG_INFO, "%s is there again", text);
		break;
	case WATCH_DENIED:
		log_line(log, LOG_WARN,
		    "some of the directories cannot be read, changes there are not seen");
		break;
	}
}

/* While we are where we were started, and the server boots. */
void
dev_decide(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	struct dev *dev;
	char why[sizeof dev->why];

	switch (watch_auto_decide(config, sv->spec.argv, sv->spec.env->vars, why, sizeof why)) {
	case WATCH_OFF:
		log_line(sv->spec.log, LOG_DEBUG, "not watching: %s",
		    config->watch == CONFIG_NO ? "watch.enabled is no"
					       : "no editable install points to server.agent_dir");
		return;
	case WATCH_ONE_SHOT:
		log_line(sv->spec.log, LOG_INFO,
		    "not watching: %s, but the command names no module there; watch.enabled=yes watches all the same",
		    why);
		return;
	case WATCH_ON:
		break;
	}
	dev = calloc(1, sizeof *dev);
	if (!dev) {
		log_line(sv->spec.log, LOG_WARN, "cannot watch: %s", strerror(ENOMEM));
		return;
	}
	(void)snprintf(dev->why, sizeof dev->why, "%s", why);
	sv->dev = dev;
	sv->life.policy.waits = true;
	sv->life.policy.change_timeout_ms = config->watch_stop_timeout_ms;
}

void
dev_open(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	static const enum watch_backend backends[] = {
		[CONFIG_WATCH_BACKEND_AUTO] = WATCH_AUTO,
		[CONFIG_WATCH_BACKEND_INOTIFY] = WATCH_INOTIFY,
		[CONFIG_WATCH_BACKEND_POLL] = WATCH_POLL,
	};
	const struct watch_spec spec = {
		.path = config->watch_paths ? NULL : config->agent_dir,
		.paths = config->watch_paths,
		.include = config->watch_include,
		.ignore = config->watch_ignore,
		.backend = backends[config->watch_backend],
		.poll_interval_ms = config->watch_poll_interval_ms,
		.settle_ms = config->watch_settle_ms,
		.settle_removed_ms = config->watch_settle_removed_ms,
		.started_ms = sv->life.started ? sv->started_ms : supervisor_now_ms(),
		.on_change = on_change,
		.on_fact = on_watch_fact,
		.arg = sv,
	};
	int status;

	sv->watching = true; /* it may have something to say at once */
	status = watch_start(&sv->dev->watch, &sv->loop, &spec);
	if (status < 0) {
		sv->watching = false;
		log_line(sv->spec.log, LOG_WARN, "cannot watch %s: %s", watched_text(sv),
		    strerror(-status));
		sv->life.policy.waits = false;
		return;
	}
}

void
dev_free(struct supervisor *sv)
{
	if (sv->dev)
		changes_free(&sv->dev->changes);
	free(sv->dev);
}
