/* SPDX-License-Identifier: MIT */
/* inotify(7), by directory instead of by number. */
#include "watch_inotify.h"

#include <errno.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/*
 * Not MODIFY, ATTRIB and OPEN: a file is read when its writer closes it, attributes do not count,
 * and a tenth of the events fits the queue ten times longer.
 */
static const uint32_t changes = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
				IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_EXCL_UNLINK |
				IN_ONLYDIR;

enum {
	BUFFER_BYTES = 4 * 1024, /* some 100 events, each of which may be a file to read */
};

static struct tree_dir **
bucket_of(struct watch_inotify *inotify, int wd)
{
	return &inotify->buckets[(unsigned)wd % WATCH_INOTIFY_BUCKETS];
}

static struct tree_dir *
find(struct watch_inotify *inotify, int wd)
{
	struct tree_dir *dir = *bucket_of(inotify, wd);

	while (dir && dir->wd != wd)
		dir = dir->next_wd;
	return dir;
}

void
watch_inotify_forget(struct watch_inotify *inotify, struct tree_dir *dir)
{
	struct tree_dir **at = bucket_of(inotify, dir->wd);

	while (*at && *at != dir)
		at = &(*at)->next_wd;
	if (!*at)
		return;
	*at = dir->next_wd;
	dir->wd = -1;
}

int
watch_inotify_open(struct watch_inotify *inotify)
{
	*inotify = (struct watch_inotify){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };
	return inotify->fd < 0 ? -errno : 0;
}

int
watch_inotify_add(struct watch_inotify *inotify, struct tree_dir *dir)
{
	char path[PATH_MAX];
	struct tree_dir *other, **bucket;
	int wd;

	if (tree_path(dir, NULL, false, path, sizeof path) >= sizeof path)
		return -ENAMETOOLONG;
	wd = inotify_add_watch(inotify->fd, path, changes | (dir->parent ? IN_DONT_FOLLOW : 0));
	if (wd < 0)
		return -errno;
	if (wd == dir->wd)
		return 0;
	watch_inotify_remove(inotify, dir);
	/* It was moved here, and where it was we have not heard yet. */
	other = find(inotify, wd);
	if (other)
		watch_inotify_forget(inotify, other);
	bucket = bucket_of(inotify, wd);
	dir->wd = wd;
	dir->next_wd = *bucket;
	*bucket = dir;
	return 0;
}

void
watch_inotify_add_attributes(struct watch_inotify *inotify, const struct tree_dir *dir)
{
	char path[PATH_MAX];

	if (dir->wd >= 0 && tree_path(dir, NULL, false, path, sizeof path) < sizeof path)
		(void)inotify_add_watch(inotify->fd, path, IN_ATTRIB | IN_ONLYDIR | IN_MASK_ADD);
}

void
watch_inotify_remove(struct watch_inotify *inotify, struct tree_dir *dir)
{
	if (dir->wd < 0)
		return;
	(void)inotify_rm_watch(inotify->fd, dir->wd); /* fails if the kernel did it before */
	watch_inotify_forget(inotify, dir);
}

int
watch_inotify_guard(struct watch_inotify *inotify, const char *path)
{
	int wd = inotify_add_watch(inotify->fd, path,
	    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
		IN_ONLYDIR | IN_MASK_ADD);

	return wd < 0 ? -errno : wd;
}

void
watch_inotify_unguard(struct watch_inotify *inotify, int wd)
{
	if (wd >= 0 && !find(inotify, wd))
		(void)inotify_rm_watch(inotify->fd, wd); /* fails if the kernel did it before */
}

static void
dispatch(struct watch_inotify *inotify, const char *at, const char *end,
    void (*on_event)(void *arg, const struct watch_inotify_event *event), void *arg)
{
	while (at < end) {
		const struct inotify_event *event = (const void *)at;

		on_event(arg, &(struct watch_inotify_event){
				  .dir = find(inotify, event->wd),
				  .wd = event->wd,
				  .mask = event->mask,
				  .name = event->len ? event->name : "",
			      });
		at += sizeof *event + event->len;
	}
}

bool
watch_inotify_read(struct watch_inotify *inotify, uint64_t until_ns,
    void (*on_event)(void *arg, const struct watch_inotify_event *event), void *arg)
{
	_Alignas(struct inotify_event) char buffer[BUFFER_BYTES];
	struct timespec now;
	int left = 0;
	ssize_t n;

	do {
		n = read(inotify->fd, buffer, sizeof buffer);
		if (n <= 0)
			return false;
		dispatch(inotify, buffer, buffer + n, on_event, arg);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec < until_ns);
	/* Only what is there will be said by the loop: who waited for more than that would wait for ever. */
	return ioctl(inotify->fd, FIONREAD, &left) == 0 && left > 0;
}

void
watch_inotify_close(struct watch_inotify *inotify)
{
	if (inotify->fd >= 0)
		(void)close(inotify->fd);
	inotify->fd = -1;
}
