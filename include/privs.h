/* SPDX-License-Identifier: MIT */
/* user.name to ids, without NSS; then drop for good and prove it. */
#ifndef INITD_PRIVS_H
#define INITD_PRIVS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	PRIVS_GROUPS_MAX = 256,
};

/* Who to become, or who we are. */
struct privs {
	uid_t uid;
	gid_t gid;
	gid_t groups[PRIVS_GROUPS_MAX];
	size_t n_groups;
	char name[64];  /* login name; the number if it has none */
	char home[256]; /* of the passwd entry; "" if there is none */
};

#define PRIVS_PASSWD_PATH "/etc/passwd"
#define PRIVS_GROUP_PATH  "/etc/group"

struct privs_spec {
	const char *user; /* NAME, UID, NAME:GROUP or UID:GID; group names and numbers mix */
	const char *passwd_path, *group_path;
	bool no_groups; /* no supplementary ones */
};

/*
 * Find the ids. A number needs no entry in any file: it is its own group then, so that nobody
 * becomes root's group by accident. Without a group the entry's own and all that list the user;
 * with one that group alone. Root without a group has none listed: it is not changed. Numbers have digits only and are below 2^31; (uid_t)-1 would mean
 * "unchanged" to setresuid(2). -1 and *err if a name is unknown or a number is none.
 */
int privs_resolve(struct privs *privs, const struct privs_spec *spec, struct error *err);

/* Somebody by the numbers alone. */
void privs_by_ids(struct privs *privs, uid_t uid, gid_t gid);

/* The same for the uid and gid that this process has; it never fails. */
void privs_current(struct privs *privs, const char *passwd_path);

/* "app (999:999)", for people. */
void privs_text(const struct privs *privs, char *buf, size_t size);

/* Has this process the capabilities to change its ids? */
bool privs_may_switch(void);

/* What could not be done and is gone on without; a set of bits, added to what the caller has. */
enum privs_shortfall {
	PRIVS_KEPT_GROUPS = 1 << 0, /* setgroups(2) is denied in this user namespace */
	PRIVS_KEPT_STDIO = 1 << 1,  /* no CAP_CHOWN: the user cannot reopen /dev/stdout */
};

/* Pipes and terminals as stdio become the user's: call it before privs_drop(). */
void privs_give_stdio(const struct privs *privs, unsigned *shortfalls);

/*
 * Become *privs for good: empty the bounding set (unless no_new_privs is off, which is for setuid
 * and setcap programs: they need it), set groups, gid and uid, and prove that there is no way back.
 * -1 and *err if anything that matters failed: the caller must not go on.
 */
int privs_drop(
    const struct privs *privs, bool no_new_privs, unsigned *shortfalls, struct error *err);

/* The part of it that changes ids and proves that, for a process that starts nothing. */
int privs_switch(const struct privs *privs, struct error *err);

/*
 * What holds whoever we are: no_new_privs for all that is started, if it is wanted, and nobody of
 * our uid may look into or trace this process.
 */
int privs_seal(bool no_new_privs, struct error *err);

#endif
