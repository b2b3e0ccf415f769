/* SPDX-License-Identifier: MIT */
/* Watches directories on the loop. */
#include "watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
	SLICE_NS =
	    2000000, /* of the loop's time for looking and reading, before signals and children come */
	LOOK_SHARE = 20, /* looking takes at most one part in so many of a CPU */
	/* Files are stamped by a clock that may be one tick of the slowest kernel (100 Hz) behind. */
	CLOCK_TICK_MS = 10,
};

static uint64_t
now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

/* ---- when to look, and why ---- */

/* Where changes are made on another machine or by another kernel, inotify(7) hears nothing of them. */
static const char *
blind_file_system(int fd)
{
	static const struct {
		uint32_t magic; /* of statfs(2); the names are those of the kernel's sources */
		char name[20];
	} blind[] = {
		{ 0x01021997, "9p" },
		{ 0x65735546, "FUSE or virtiofs" },
		{ 0x00006969, "NFS" },
		{ 0x0000517b, "SMB" },
		{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB" },
		{ 0x786f4256, "vboxsf" },
		{ 0x00c36400, "Ceph" },
		{ 0x7c7c6673, "prl_fs" },
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof blind / sizeof blind[0]; i++)
		if ((uint32_t)fs.f_type == blind[i].magic)
			return blind[i].name;
	return NULL;
}

static void
start_to_look(struct watch *watch, const char *reason)
{
	if (watch->polls)
		return;
	watch->polls = true;
	watch->look_ms = watch->now_ms + watch->spec.poll_interval_ms;
	if (reason)
		watch->spec.on_fact(watch->spec.arg, WATCH_POLLS, reason);
}

static const char *
shortage_text(int error)
{
	if (error == ENOSPC)
		return "no inotify watch is left (fs.inotify.max_user_watches)";
	if (error == EMFILE)
		return "no inotify instance is left (fs.inotify.max_user_instances)";
	return strerror(error);
}

static bool
is_missing_any(const struct watch *watch)
{
	for (size_t i = 0; i < watch->n_roots; i++)
		if (watch->roots[i].is_missing)
			return true;
	return false;
}

static void
sooner(uint64_t *due_ms, uint64_t ms)
{
	if (ms < *due_ms)
		*due_ms = ms;
}

/* The next moment at which something is due. */
static void
set_timer(struct watch *watch)
{
	uint64_t due_ms = UINT64_MAX, now = now_ms(), burst_ms;

	if (burst_due(&watch->burst, &burst_ms))
		due_ms = burst_ms;
	if (watch->polls || is_missing_any(watch))
		sooner(&due_ms, watch->look_ms);
	if (watch->news.is_there)
		sooner(&due_ms, watch->news.held_until_ms);
	if (due_ms == UINT64_MAX) {
		(void)uv_timer_stop(&watch->timer);
		return;
	}
	uv_update_time(watch->timer.loop);
	(void)uv_timer_start(&watch->timer, on_timer, due_ms > now ? due_ms - now : 0,
	    0); /* fails only while closing */
}

/* ---- what the scan says ---- */

static void
tell_blind(struct watch *watch, const char *name)
{
	char reason[80];

	if (watch->spec.backend == WATCH_AUTO) {
		(void)snprintf(
		    reason, sizeof reason, "inotify does not hear of all changes on %s", name);
		start_to_look(watch, reason);
	} else if (!watch->told_blind) {
		watch->told_blind = true;
		watch->spec.on_fact(watch->spec.arg, WATCH_BLIND, name);
	}
}

static void
on_dir(void *arg, struct tree_dir *dir, int fd)
{
	struct watch *watch = arg;
	const char *name;
	int status;

	if (watch->inotify.fd < 0)
		return;
	status = watch_inotify_add(&watch->inotify, dir);
	if (status == -ENOSPC || status == -ENOMEM)
		start_to_look(watch, shortage_text(-status));
	name = watch->polls ? NULL : blind_file_system(fd);
	if (name)
		tell_blind(watch, name);
}

/* Its parent hears when that changes; what only we lack for a moment has to be looked for. */
static void
on_denied(void *arg, struct tree_dir *dir, int error)
{
	struct watch *watch = arg;

	if (error != EACCES)
		start_to_look(watch, strerror(error));
	if (watch->inotify.fd >= 0 && dir->parent)
		watch_inotify_add_attributes(&watch->inotify, dir->parent);
	if (watch->told_denied)
		return;
	watch->told_denied = true;
	watch->spec.on_fact(watch->spec.arg, WATCH_DENIED, "");
}

static void
on_gone(void *arg, struct tree_dir *dir)
{
	struct watch *watch = arg;

	if (watch->inotify.fd >= 0)
		watch_inotify_remove(&watch->inotify, dir);
}

/* Could we have done that? Compose, as the host's user or root, leaves files that the server cannot write. */
static bool
may_write(const struct tree_dir *dir, const char *name)
{
	char path[PATH_MAX];

	if (tree_path(dir, name, false, path, sizeof path) >= sizeof path)
		return true;
	if (access(path, W_OK) == 0)
		return true;
	/* What was removed, was removed from its directory. */
	return errno == ENOENT && tree_path(dir, NULL, false, path, sizeof path) < sizeof path &&
	       access(path, W_OK) == 0;
}

static void
note(struct watch *watch, const struct tree_dir *dir, const struct tree_file *file,
    enum scan_fact what)
{
	struct watch_news *news = &watch->news;
	char path[WATCH_PATH_SIZE];

	(void)tree_path(dir, file->name, true, path, sizeof path);
	if (news->is_there && strcmp(news->path, path) == 0)
		return;
	/* What is held comes along with anything else, which is the reason then. */
	if (!news->is_there || news->held_until_ms > 0) {
		bool alone = !news->is_there;

		*news = (struct watch_news){ .is_there = true,
			.alone = alone,
			.is_ours = may_write(dir, file->name),
			.what = what };
		memcpy(news->path, path, sizeof path);
	} else {
		news->alone = false;
	}
}

static void
on_file(void *arg, const struct tree_dir *dir, const struct tree_file *file, enum scan_fact fact)
{
	struct watch *watch = arg;

	switch (fact) {
	case SCAN_NEW:
	case SCAN_CHANGED:
	case SCAN_REMOVED:
		burst_change(&watch->burst, watch->now_ms);
		note(watch, dir, file, fact);
		break;
	case SCAN_DOUBT:
		watch->touched = true;
		burst_doubt(&watch->burst, watch->now_ms);
		break;
	case SCAN_YOUNG:
		burst_young(&watch->burst, watch->now_ms);
		break;
	case SCAN_SAME:
		watch->touched = true;
		burst_touch(&watch->burst, watch->now_ms);
		break;
	}
}

/* ---- roots ---- */

static bool
is_place(const struct watch_root *root, int wd)
{
	for (size_t i = 0; i < root->n_places; i++)
		if (root->places[i].wd == wd)
			return true;
	return false;
}

/* A watch that none of the roots needs any more. */
static void
unguard(struct watch *watch, int wd)
{
	for (size_t i = 0; i < watch->n_roots; i++)
		if (is_place(&watch->roots[i], wd))
			return;
	watch_inotify_unguard(&watch->inotify, wd);
}

/*
 * The directories above a root: it may be moved or replaced with any of them, and each may be a link that
 * is changed.
 */
static void
guard(struct watch *watch, struct watch_root *root)
{
	const struct watch_root old = *root;
	char path[PATH_MAX];

	root->n_places = 0;
	(void)snprintf(path, sizeof path, "%s", root->dir->name);
	while (watch->inotify.fd >= 0 && root->n_places < WATCH_PLACES_MAX && strlen(path) > 1) {
		char *name = strrchr(path, '/') + 1;
		struct watch_place *place = &root->places[root->n_places++];

		place->begin = (unsigned)(name - path);
		place->length = (unsigned)strlen(name);
		name[name == path + 1 ? 0 : -1] = '\0';
		place->wd = watch_inotify_guard(&watch->inotify, path);
	}
	for (size_t i = 0; i < old.n_places; i++)
		unguard(watch, old.places[i].wd);
}

static void
tell_missing(struct watch *watch, struct watch_root *root, bool is_missing)
{
	if (root->is_missing == is_missing)
		return;
	root->is_missing = is_missing;
	watch->spec.on_fact(
	    watch->spec.arg, is_missing ? WATCH_MISSING : WATCH_BACK, root->dir->name);
}

/* ---- walks: looking at what is due, a slice at a time ---- */

static void
start_walk(struct watch *watch)
{
	if (!watch->walks)
		watch->walk_ns = 0;
	watch->walks = true;
	(void)uv_idle_start(&watch->worker, on_idle); /* fails only while closing */
}

static void
look_at_dir(struct watch *watch, struct tree_dir *dir)
{
	scan_due(dir);
	start_walk(watch);
}

static void
look_at_root(struct watch *watch, struct watch_root *root)
{
	root->is_due = true;
	guard(watch, root);
	look_at_dir(watch, root->dir);
}

/* At all of them, or at those that are missing. */
static void
look(struct watch *watch, bool at_all)
{
	for (size_t i = 0; i < watch->n_roots; i++)
		if (at_all || watch->roots[i].is_missing)
			look_at_root(watch, &watch->roots[i]);
	if (at_all) {
		watch->is_full = true;
		watch->full_ms = watch->now_ms;
	}
	watch->look_ms = watch->now_ms + watch->spec.poll_interval_ms;
}

/* Nothing is due any more. */
static void
finish_walk(struct watch *watch)
{
	uint64_t rest_ms = watch->walk_ns * LOOK_SHARE / 1000000;

	watch->walks = false;
	if (watch->is_full)
		watch->seen_ms = watch->full_ms;
	watch->is_full = false;
	for (size_t i = 0; i < watch->n_roots; i++) {
		struct watch_root *root = &watch->roots[i];

		if (root->is_due)
			tell_missing(watch, root, root->dir->flags & (TREE_GONE | TREE_DENIED));
		root->is_due = false;
	}
	if (rest_ms < watch->spec.poll_interval_ms)
		rest_ms = watch->spec.poll_interval_ms;
	watch->look_ms = watch->now_ms + rest_ms;
	if (!watch->scan.is_first)
		return;
	watch->scan.is_first = false;
	watch->spec.on_fact(watch->spec.arg, WATCH_READY, "");
}

/* True if nothing is left to do. */
static bool
work(struct watch *watch)
{
	uint64_t began_ns = uv_hrtime(), until_ns = began_ns + SLICE_NS;

	watch->now_ms = began_ns / 1000000;
	for (size_t i = 0; i < watch->n_roots; i++)
		if (!scan_some(&watch->scan, watch->roots[i].dir, until_ns)) {
			watch->walk_ns += uv_hrtime() - began_ns;
			return false;
		}
	watch->walk_ns += uv_hrtime() - began_ns;
	if (watch->walks)
		finish_walk(watch);
	for (size_t i = 0; i < watch->n_roots; i++)
		if (!scan_read_some(&watch->scan, watch->roots[i].dir, until_ns))
			return false;
	return true;
}

/* ---- what the kernel says ---- */

/* Is it about this place: the directory itself, or its entry that leads to the root? */
static bool
concerns(const struct watch_root *root, const struct watch_place *place,
    const struct watch_inotify_event *event)
{
	return event->wd == place->wd &&
	       (!*event->name ||
		   (strlen(event->name) == place->length &&
		       memcmp(event->name, root->dir->name + place->begin, place->length) == 0));
}

static void
on_place(struct watch *watch, const struct watch_inotify_event *event)
{
	for (size_t i = 0; i < watch->n_roots; i++) {
		struct watch_root *root = &watch->roots[i];
		bool is_due =
		    event->dir == root->dir && event->mask & (IN_DELETE_SELF | IN_MOVE_SELF);

		for (size_t k = 0; k < root->n_places && !is_due; k++)
			is_due = concerns(root, &root->places[k], event);
		if (is_due)
			look_at_root(watch, root);
	}
}

static void
on_subdir(struct watch *watch, const struct watch_inotify_event *event)
{
	struct tree_dir *child = tree_find_dir(event->dir, event->name);

	if (scan_ignores(&watch->scan, event->dir, event->name))
		return;
	/* One that came to the place of another is another. */
	if (child && !(child->flags & TREE_GONE) &&
	    event->mask & (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
		scan_gone(&watch->scan, child);
	/* Nothing of it has to be told to the next server. */
	if (child && child->flags & TREE_GONE && child->n_files == 0 && child->n_dirs == 0)
		tree_forget(child);
	if (event->mask & (IN_CREATE | IN_MOVED_TO)) {
		child = tree_add_dir(event->dir, event->name);
		if (child)
			look_at_dir(watch, child);
	}
	burst_touch(&watch->burst, watch->now_ms);
}

/* May what was denied be read now? */
static void
on_attributes(struct watch *watch, const struct watch_inotify_event *event)
{
	struct tree_dir *child = tree_find_dir(event->dir, event->name);

	if (child && child->flags & TREE_DENIED)
		look_at_dir(watch, child);
}

static enum scan_event
event_of(uint32_t mask)
{
	if (mask & IN_CREATE)
		return SCAN_CAME;
	return (mask & (IN_DELETE | IN_MOVED_FROM)) != 0 ? SCAN_WENT : SCAN_WRITTEN;
}

static void
on_event(void *arg, const struct watch_inotify_event *event)
{
	struct watch *watch = arg;

	if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) {
		watch->overflowed = true;
		return;
	}
	on_place(watch, event);
	if (!event->dir || event->dir->flags & TREE_GONE)
		return;
	if (event->mask & IN_IGNORED)
		watch_inotify_forget(&watch->inotify, event->dir);
	else if (!*event->name)
		return; /* a directory itself: its parent says the same, and on_place() for a root */
	else if (event->mask & IN_ATTRIB)
		on_attributes(watch, event);
	else if (event->mask & IN_ISDIR)
		on_subdir(watch, event);
	else
		scan_file(&watch->scan, event->dir, event->name, event_of(event->mask));
}

/* A venv's marker makes its directory due. */
static bool
is_any_due(const struct watch *watch)
{
	for (size_t i = 0; i < watch->n_roots; i++)
		if (watch->roots[i].dir->has_due)
			return true;
	return false;
}

/* What there is more, the loop says again. */
static void
hear(struct watch *watch)
{
	uint64_t until_ns = uv_hrtime() + SLICE_NS;

	watch->now_ms = now_ms();
	if (watch->inotify.fd < 0)
		return;
	watch->has_more = watch_inotify_read(&watch->inotify, until_ns, on_event, watch);
	if (watch->overflowed) {
		watch->overflowed = false;
		watch->spec.on_fact(watch->spec.arg, WATCH_OVERFLOW, "");
		look(watch, true);
	}
	if (is_any_due(watch))
		start_walk(watch);
}

/* ---- what is told ---- */

static void
tell_change(struct watch *watch)
{
	struct watch_news *news = &watch->news;
	const struct watch_change change = {
		.path = news->path,
		.what = news->what,
		.alone = news->alone,
		.is_ours = news->is_ours,
	};
	uint64_t hold_ms;

	if (!news->is_there || watch->now_ms < news->held_until_ms)
		return;
	hold_ms = watch->spec.on_change(watch->spec.arg, &change);
	if (hold_ms > 0) {
		news->held_until_ms = watch->now_ms + hold_ms;
		return;
	}
	news->is_there = false;
	watch->owes_quiet = true;
}

/* By looking only, what is due now is decided by a look that began later. */
static bool
must_look(const struct watch *watch)
{
	uint64_t due_ms;

	return watch->polls && burst_due(&watch->burst, &due_ms) && watch->now_ms >= due_ms &&
	       watch->seen_ms < due_ms;
}

static void
settle(struct watch *watch, unsigned flags)
{
	for (size_t i = 0; i < watch->n_roots; i++)
		scan_settle(&watch->scan, watch->roots[i].dir, flags);
}

/* All that is to be known by now is known. */
static void
decide(struct watch *watch)
{
	uint64_t now = watch->now_ms;

	if (burst_young_is_over(&watch->burst, now))
		settle(watch, TREE_YOUNG);
	if (must_look(watch)) {
		look(watch, true);
		return;
	}
	if (!watch->burst.changed && burst_doubt_is_over(&watch->burst, now))
		settle(watch, TREE_GONE | TREE_MADE);
	(void)burst_is_over(&watch->burst, now);
}

static void
conclude(struct watch *watch)
{
	watch->burst.writing = watch->scan.n_made > 0;
	if (!watch->walks && !watch->has_more)
		decide(watch);
	tell_change(watch);
	/* The end of what was told; what is held has not begun for anybody else. */
	if (watch->owes_quiet && !watch->walks && !watch->has_more && !watch->burst.changed &&
	    !watch->news.is_there) {
		watch->owes_quiet = false;
		watch->spec.on_fact(watch->spec.arg, WATCH_QUIET, "");
	}
	/* The end of a walk comes back here, and so does what is still to be heard. */
	if (watch->walks || watch->has_more)
		(void)uv_timer_stop(&watch->timer);
	else
		set_timer(watch);
}

void
watch_taken(struct watch *watch)
{
	watch->scan.is_boot = true;
	hear(watch);
	watch->scan.is_boot = false;
	set_timer(watch); /* it is told from there */
}

void
watch_catch_up(struct watch *watch)
{
	hear(watch);
	conclude(watch);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	(void)status;
	(void)events;
	watch_catch_up(watch);
}

static void
on_timer(uv_timer_t *timer)
{
	struct watch *watch = timer->data;

	/* What has happened up to now belongs to what is decided now. */
	hear(watch);
	if (watch->now_ms >= watch->look_ms && (watch->polls || is_missing_any(watch)))
		look(watch, watch->polls);
	conclude(watch);
}

static void
on_idle(uv_idle_t *idle)
{
	struct watch *watch = idle->data;

	if (work(watch))
		(void)uv_idle_stop(idle);
	conclude(watch);
}

/* ---- the public ones ---- */

/* A moment of now_ms(), by the clock of files; rather too early, if we have to pause between the two clocks. */
static int64_t
file_time_ns(uint64_t ms)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec -
	       (int64_t)(now_ms() - ms + CLOCK_TICK_MS) * 1000000;
}

/* Is it in another one, or is that in it? Then the outer one is enough. */
static bool
is_below(const char *inner, const char *outer)
{
	char real[2][PATH_MAX];
	size_t length;

	if (!realpath(inner, real[0]) || !realpath(outer, real[1]))
		return false;
	length = strlen(real[1]);
	return strncmp(real[0], real[1], length) == 0 &&
	       (real[0][length] == '/' || real[0][length] == '\0');
}

static int
add_root(struct watch *watch, const char *path)
{
	struct watch_root *root = &watch->roots[watch->n_roots];

	for (size_t i = 0; i < watch->n_roots; i++) {
		if (is_below(path, watch->roots[i].dir->name))
			return 0;
		if (is_below(watch->roots[i].dir->name, path)) {
			tree_free(watch->roots[i].dir);
			watch->roots[i] = watch->roots[--watch->n_roots];
			return add_root(watch, path);
		}
	}
	if (watch->n_roots == WATCH_ROOTS_MAX)
		return -E2BIG;
	*root = (struct watch_root){ .dir = tree_new_root(path) };
	if (!root->dir)
		return -ENOMEM;
	watch->n_roots++;
	return 0;
}

static int
add_path(struct watch *watch, const char *text, size_t length)
{
	char path[PATH_MAX];

	while (length > 1 && text[length - 1] == '/')
		length--;
	if (snprintf(path, sizeof path, "%.*s", (int)length, text) >= (int)sizeof path)
		return -ENAMETOOLONG;
	return path[0] == '/' ? add_root(watch, path) : -EINVAL;
}

static int
add_roots(struct watch *watch, const struct watch_spec *spec)
{
	const char *paths = spec->paths;
	int status = 0;

	if (spec->path)
		return add_path(watch, spec->path, strlen(spec->path));
	while (status == 0 && *paths) {
		size_t length = strcspn(paths, ",");

		status = add_path(watch, paths, length);
		paths += length + (paths[length] == ',');
	}
	return status;
}

static void
open_backend(struct watch *watch)
{
	int status = -ENOSYS;

	watch->inotify.fd = -1;
	if (watch->spec.backend != WATCH_POLL)
		status = watch_inotify_open(&watch->inotify);
	if (status < 0)
		start_to_look(
		    watch, watch->spec.backend == WATCH_POLL ? NULL : shortage_text(-status));
}

static void
free_all(struct watch *watch)
{
	watch_inotify_close(&watch->inotify);
	for (size_t i = 0; i < watch->n_roots; i++)
		tree_free(watch->roots[i].dir);
	scan_close(&watch->scan);
}

static void
start_handles(struct watch *watch, uv_loop_t *loop)
{
	/* None can fail, but while closing. */
	(void)uv_timer_init(loop, &watch->timer);
	(void)uv_idle_init(loop, &watch->worker);
	watch->timer.data = watch->worker.data = watch->readable.data = watch;
	if (watch->inotify.fd >= 0)
		(void)uv_poll_start(&watch->readable, UV_READABLE, on_readable);
}

int
watch_start(struct watch *watch, uv_loop_t *loop, const struct watch_spec *spec)
{
	const struct scan_spec scan = {
		.include = spec->include,
		.ignore = spec->ignore,
		.on_dir = on_dir,
		.on_denied = on_denied,
		.on_gone = on_gone,
		.on_file = on_file,
		.arg = watch,
	};
	int status;

	*watch = (struct watch){ .spec = *spec, .now_ms = now_ms() };
	watch->burst.settle_ms = spec->settle_ms;
	watch->burst.settle_removed_ms = spec->settle_removed_ms;
	status = scan_open(&watch->scan, &scan);
	if (status < 0)
		return status;
	watch->scan.since_ns = file_time_ns(spec->started_ms);
	open_backend(watch);
	status = add_roots(watch, spec);
	if (status == 0 && watch->inotify.fd >= 0)
		status = uv_poll_init(loop, &watch->readable, watch->inotify.fd);
	if (status < 0) {
		free_all(watch);
		return status;
	}
	start_handles(watch, loop);
	watch->scan.is_first = true;
	look(watch, true);
	on_idle(&watch->worker);
	return 0;
}

void
watch_take(struct watch *watch, scan_on_file *on_taken, void *arg)
{
	watch->now_ms = now_ms();
	watch->scan.since_ns = file_time_ns(watch->now_ms);
	for (size_t i = 0; i < watch->n_roots; i++)
		scan_take(&watch->scan, watch->roots[i].dir, on_taken, arg);
	watch->news.is_there = watch->owes_quiet = false;
	watch->burst.changed = watch->burst.doubtful = false;
	watch->touched = false;
	set_timer(watch);
}

bool
watch_suspect(struct watch *watch)
{
	if (!watch->touched)
		return false;
	watch->now_ms = now_ms();
	burst_change(&watch->burst, watch->now_ms);
	watch->owes_quiet = true;
	set_timer(watch);
	return true;
}

void
watch_count(const struct watch *watch, unsigned *dirs, unsigned *files)
{
	*dirs = *files = 0;
	for (size_t i = 0; i < watch->n_roots; i++)
		scan_count(watch->roots[i].dir, dirs, files);
}

const char *
watch_backend_text(const struct watch *watch)
{
	if (watch->inotify.fd < 0)
		return "poll";
	return watch->polls ? "inotify+poll" : "inotify";
}

void
watch_stop(struct watch *watch)
{
	if (watch->inotify.fd >= 0)
		uv_close((uv_handle_t *)&watch->readable, NULL);
	uv_close((uv_handle_t *)&watch->timer, NULL);
	uv_close((uv_handle_t *)&watch->worker, NULL);
	free_all(watch);
}
