/* SPDX-License-Identifier: MIT */
/* user.name to ids, without NSS; then drop for good and prove it. */
#include "privs.h"

#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	ID_MAX = 0x7fffffff,
	FILE_MAX_BYTES = 16 << 20,
};

/* ---- /etc/passwd and /etc/group ---- */

/* A whole file; where it is small, without an allocation. */
struct file {
	char *text;
	size_t length;
	char small[4096];
};

/* Read up to `size` bytes in all; less is the end of a regular file. False if that fails. */
static bool
read_up_to(int fd, struct file *file, size_t size)
{
	ssize_t n = read(fd, file->text + file->length, size - file->length);

	file->length += n > 0 ? (size_t)n : 0;
	return n >= 0;
}

/* The rest of a file that is not small, or said nothing: only now is it worth asking what it is. */
static int
read_rest(int fd, struct file *file, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES ||
	    (size_t)st.st_size < file->length)
		return error_set(err, "%s: expected a regular file of at most 16 MB", path);
	file->text = malloc((size_t)st.st_size + sizeof file->small);
	if (!file->text) {
		file->text = file->small;
		return error_set(err, "%s: %s", path, strerror(errno));
	}
	memcpy(file->text, file->small, file->length);
	if (!read_up_to(fd, file, (size_t)st.st_size))
		return error_set(err, "%s: %s", path, strerror(errno));
	return 0;
}

/*
 * The C library's getpwnam(3) is NSS: in a static glibc it loads modules and talks to nscd. A
 * missing file is an empty one. -1 and *err if it cannot be read; close_file() is due in any case.
 */
static int
read_file(struct file *file, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK); /* closed before anything forks */
	int status = 0;

	file->text = file->small;
	file->length = 0;
	if (fd < 0 ? errno != ENOENT && errno != ENOTDIR
		   : !read_up_to(fd, file, sizeof file->small - 1))
		status = error_set(err, "%s: %s", path, strerror(errno));
	else if (fd >= 0 && (file->length == 0 || file->length == sizeof file->small - 1))
		status = read_rest(fd, file, path, err);
	file->text[file->length] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return status;
}

static void
close_file(struct file *file)
{
	if (file->text != file->small)
		free(file->text);
}

/* A piece of a line, not terminated. */
struct piece {
	const char *text;
	size_t length;
};

static bool
piece_is(struct piece piece, const char *text)
{
	return strlen(text) == piece.length && memcmp(piece.text, text, piece.length) == 0;
}

/* As a string; false if it does not fit. */
static bool
piece_copy(struct piece piece, char *out, size_t size)
{
	if (piece.length >= size)
		return false;
	memcpy(out, piece.text, piece.length);
	out[piece.length] = '\0';
	return true;
}

/* Digits only, as parse_number(), below 2^31. */
static bool
piece_id(struct piece piece, uint32_t *id)
{
	char text[16];
	uint64_t n;

	if (!piece_copy(piece, text, sizeof text) || !parse_number(text, ID_MAX, &n))
		return false;
	*id = (uint32_t)n;
	return true;
}

/* The lines of a file, one after the other: *text moves on, *line is without its newline. False at the end. */
static bool
next_line(const char **text, struct piece *line)
{
	const char *end = strchrnul(*text, '\n');

	*line = (struct piece){ *text, (size_t)(end - *text) };
	*text = *end ? end + 1 : end;
	return line->length > 0 || *end != '\0';
}

/* Cut a line into its first n fields at ':'; missing ones are empty. */
static void
cut(struct piece line, struct piece *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *colon = memchr(line.text, ':', line.length);
		size_t length = colon ? (size_t)(colon - line.text) : line.length;
		size_t taken = colon ? length + 1 : length;

		fields[i] = (struct piece){ line.text, length };
		line.text += taken;
		line.length -= taken;
	}
}

/* Is this the line of that name? Asked of every line, so before it is cut. */
static bool
is_line_of(struct piece line, const char *name, size_t length)
{
	return line.length > length && line.text[length] == ':' &&
	       memcmp(line.text, name, length) == 0;
}

enum {
	PASSWD_NAME,
	PASSWD_PASSWORD,
	PASSWD_UID,
	PASSWD_GID,
	PASSWD_GECOS,
	PASSWD_HOME,
	PASSWD_FIELDS,
};

enum {
	GROUP_NAME,
	GROUP_PASSWORD,
	GROUP_GID,
	GROUP_MEMBERS,
	GROUP_FIELDS,
};

/* Take uid, gid, name and home from the entry of this name, or, if name is NULL, of privs->uid. */
static bool
take_passwd_entry(struct privs *privs, const char *passwd, const char *name)
{
	struct piece line, fields[PASSWD_FIELDS];
	size_t length = name ? strlen(name) : 0;

	while (next_line(&passwd, &line)) {
		uint32_t uid, gid;

		if (name && !is_line_of(line, name, length))
			continue;
		cut(line, fields, PASSWD_FIELDS);
		if (!piece_id(fields[PASSWD_UID], &uid) || !piece_id(fields[PASSWD_GID], &gid) ||
		    (!name && uid != privs->uid))
			continue;
		/* A name or home that is too long for us is none: half of it is another one. */
		if (!piece_copy(fields[PASSWD_NAME], privs->name, sizeof privs->name))
			continue;
		if (!piece_copy(fields[PASSWD_HOME], privs->home, sizeof privs->home))
			privs->home[0] = '\0';
		privs->uid = uid;
		privs->gid = gid;
		return true;
	}
	return false;
}

static bool
find_group(const char *group, const char *name, gid_t *gid)
{
	struct piece line, fields[GROUP_FIELDS];
	size_t length = strlen(name);

	while (next_line(&group, &line)) {
		if (!is_line_of(line, name, length))
			continue;
		cut(line, fields, GROUP_FIELDS);
		if (piece_id(fields[GROUP_GID], gid))
			return true;
	}
	return false;
}

static bool
lists_member(struct piece members, const char *name)
{
	while (members.length > 0) {
		struct piece member = { members.text, 0 };

		while (member.length < members.length && member.text[member.length] != ',')
			member.length++;
		if (piece_is(member, name))
			return true;
		if (member.length == members.length)
			return false;
		members.text += member.length + 1;
		members.length -= member.length + 1;
	}
	return false;
}

static bool
has_group(const struct privs *privs, gid_t gid)
{
	for (size_t i = 0; i < privs->n_groups; i++)
		if (privs->groups[i] == gid)
			return true;
	return false;
}

/* All groups that list the user, behind its own. */
static int
take_member_groups(struct privs *privs, const char *group, struct error *err)
{
	struct piece line, fields[GROUP_FIELDS];

	while (next_line(&group, &line)) {
		uint32_t gid;

		/* Most groups have no members. */
		if (line.length == 0 || line.text[line.length - 1] == ':')
			continue;
		cut(line, fields, GROUP_FIELDS);
		if (!lists_member(fields[GROUP_MEMBERS], privs->name) ||
		    !piece_id(fields[GROUP_GID], &gid) || has_group(privs, gid))
			continue;
		if (privs->n_groups == PRIVS_GROUPS_MAX)
			return error_set(err, "user '%s' is in more than %d groups", privs->name,
			    PRIVS_GROUPS_MAX);
		privs->groups[privs->n_groups++] = gid;
	}
	return 0;
}

/* ---- user.name to ids ---- */

static bool
looks_like_number(const char *text)
{
	return (*text >= '0' && *text <= '9') || *text == '-' || *text == '+' || *text == ' ';
}

static int
parse_id(const char *text, const char *what, uint32_t *id, struct error *err)
{
	if (piece_id((struct piece){ text, strlen(text) }, id))
		return 0;
	return error_set(err, "%s '%.64s' is not a number from 0 to %d", what, text, ID_MAX);
}

/* All but the room for groups, which would be pages of zeros. */
static void
clear(struct privs *privs)
{
	privs->uid = 0;
	privs->gid = 0;
	privs->n_groups = 0;
	privs->name[0] = '\0';
	privs->home[0] = '\0';
}

static int
no_user(const char *user, const char *path, struct error *err)
{
	return error_set(err,
	    "no user '%.64s' in %s: add it (useradd -r), or set user.name (a number needs no entry)",
	    user, path);
}

static int
resolve_user(
    struct privs *privs, const char *user, const char *passwd, const char *path, struct error *err)
{
	if (!looks_like_number(user)) {
		if (!take_passwd_entry(privs, passwd, user))
			return no_user(user, path, err);
		if (privs->uid == 0 && strcmp(user, "root") != 0)
			return error_set(err,
			    "user '%.64s' in %s is root: say user.name=root if you mean it", user,
			    path);
		return 0;
	}
	if (parse_id(user, "user", &privs->uid, err) < 0)
		return -1;
	privs->gid = privs->uid;
	if (!take_passwd_entry(privs, passwd, NULL))
		(void)snprintf(privs->name, sizeof privs->name, "%u", privs->uid);
	return 0;
}

static int
resolve_group(
    struct privs *privs, const char *name, const char *group, const char *path, struct error *err)
{
	if (looks_like_number(name))
		return parse_id(name, "group", &privs->gid, err);
	if (find_group(group, name, &privs->gid))
		return 0;
	return error_set(err, "no group '%.64s' in %s", name, path);
}

/* The groups of /etc/group, when the user is known. */
static int
take_groups(struct privs *privs, const char *group_name, const char *path, struct error *err)
{
	struct file group;
	int status = read_file(&group, path, err);

	if (status == 0 && group_name)
		status = resolve_group(privs, group_name, group.text, path, err);
	privs->groups[0] = privs->gid;
	if (status == 0 && !group_name)
		status = take_member_groups(privs, group.text, err);
	close_file(&group);
	return status;
}

int
privs_resolve(struct privs *privs, const struct privs_spec *spec, struct error *err)
{
	const char *colon = strchr(spec->user, ':'), *group_name = colon ? colon + 1 : NULL;
	size_t length = colon ? (size_t)(colon - spec->user) : strlen(spec->user);
	char user[sizeof privs->name];
	struct file passwd;
	int status;

	clear(privs);
	if (length == 0 || (group_name && *group_name == '\0'))
		return error_set(
		    err, "'%.64s': expected NAME, UID, NAME:GROUP or UID:GID", spec->user);
	if (!piece_copy((struct piece){ spec->user, length }, user, sizeof user))
		return no_user(spec->user, spec->passwd_path, err);
	status = read_file(&passwd, spec->passwd_path, err);
	if (status == 0)
		status = resolve_user(privs, user, passwd.text, spec->passwd_path, err);
	close_file(&passwd);
	privs->groups[0] = privs->gid;
	privs->n_groups = 1;
	/* Root said aloud stays as it is. */
	if (status == 0 && (group_name || (privs->uid != 0 && !spec->no_groups)))
		status = take_groups(privs, group_name, spec->group_path, err);
	return status;
}

void
privs_by_ids(struct privs *privs, uid_t uid, gid_t gid)
{
	clear(privs);
	privs->uid = uid;
	privs->gid = gid;
	privs->groups[0] = gid;
	privs->n_groups = 1;
	(void)snprintf(privs->name, sizeof privs->name, "%u", uid);
}

void
privs_current(struct privs *privs, const char *passwd_path)
{
	struct error ignored; /* who cannot be looked up has a number */
	struct file passwd;

	clear(privs);
	privs->uid = geteuid();
	if (read_file(&passwd, passwd_path, &ignored) < 0 ||
	    !take_passwd_entry(privs, passwd.text, NULL))
		(void)snprintf(privs->name, sizeof privs->name, "%u", privs->uid);
	privs->gid = getegid();
	close_file(&passwd);
}

void
privs_text(const struct privs *privs, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s (%u:%u)", privs->name, privs->uid, privs->gid);
}

/* ---- the drop ---- */

static bool
is_terminal(int fd, const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) != 1 /* /dev/null and its kin */ &&
	       isatty(fd);
}

/*
 * So that the server can reopen /dev/stdout (moby#31243). Only pipes and terminals: /dev/null and
 * files belong to others. The group stays, a terminal's is tty.
 */
void
privs_give_stdio(const struct privs *privs, unsigned *shortfalls)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 || st.st_uid == privs->uid)
			continue;
		if (!S_ISFIFO(st.st_mode) && !is_terminal(fd, &st))
			continue;
		if (fchown(fd, privs->uid, (gid_t)-1) < 0)
			*shortfalls |= PRIVS_KEPT_STDIO;
	}
}

static int
get_capabilities(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capget, &header, data);
}

bool
privs_may_switch(void)
{
	const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID;
	struct __user_cap_data_struct data[2] = { 0 };

	return get_capabilities(data) == 0 && (data[0].effective & needed) == needed;
}

/*
 * A program that root executes is permitted all of the bounding set (but under unusual securebits),
 * so what is permitted to us is what there is to drop; that saves asking for each of 64. Without
 * CAP_SETPCAP it stays; no_new_privs makes it useless in any case, this is the second layer.
 */
static void
empty_bounding_set(void)
{
	struct __user_cap_data_struct data[2] = { 0 };
	uint64_t held;

	(void)get_capabilities(data); /* cannot fail on ourselves */
	held = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	for (unsigned cap = 0; cap < 64; cap++)
		if (held >> cap & 1 && prctl(PR_CAPBSET_DROP, cap) < 0)
			break;
}

static bool
setgroups_is_denied(void)
{
	char text[8] = "";
	int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof text - 1); /* nothing read is not "deny" */
	(void)close(fd);
	return strncmp(text, "deny", 4) == 0;
}

static int
refuse_id(const struct privs *privs, const char *call, struct error *err)
{
	if (errno == EPERM)
		return error_set(err,
		    "cannot become user %s: %s: %s; run with --cap-add=SETUID --cap-add=SETGID, or with --user %u:%u",
		    privs->name, call, strerror(errno), privs->uid, privs->gid);
	if (errno == EINVAL)
		return error_set(err,
		    "cannot become user %s: %s: %u:%u is not mapped in this user namespace",
		    privs->name, call, privs->uid, privs->gid);
	return error_set(err, "cannot become user %s: %s: %s", privs->name, call, strerror(errno));
}

/*
 * The system calls themselves: a libc would bring all threads along, of which there is one. On
 * 32-bit machines the old names take 16-bit ids.
 */
#if defined(SYS_setresuid32)
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETRESUID SYS_setresuid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETRESUID SYS_setresuid
#endif

static long
set_gid(gid_t real, gid_t effective, gid_t saved)
{
	return syscall(CALL_SETRESGID, real, effective, saved);
}

static long
set_uid(uid_t real, uid_t effective, uid_t saved)
{
	return syscall(CALL_SETRESUID, real, effective, saved);
}

static int
set_ids(const struct privs *privs, unsigned *shortfalls, struct error *err)
{
	if (syscall(CALL_SETGROUPS, privs->n_groups, privs->groups) < 0) {
		if (errno != EPERM || !setgroups_is_denied())
			return refuse_id(privs, "setgroups", err);
		*shortfalls |= PRIVS_KEPT_GROUPS;
	}
	if (set_gid(privs->gid, privs->gid, privs->gid) < 0)
		return refuse_id(privs, "setresgid", err);
	if (set_uid(privs->uid, privs->uid, privs->uid) < 0)
		return refuse_id(privs, "setresuid", err);
	return 0;
}

/* What was just done, believed only when seen: security bugs were made of unchecked set*id calls. */
static int
prove(const struct privs *privs, unsigned shortfalls, struct error *err)
{
	struct __user_cap_data_struct data[2] = { 0 };
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0 ||
	    ruid != privs->uid || euid != privs->uid || suid != privs->uid || rgid != privs->gid ||
	    egid != privs->gid || sgid != privs->gid)
		return error_set(err, "the ids did not change to %u:%u", privs->uid, privs->gid);
	if (!(shortfalls & PRIVS_KEPT_GROUPS) && getgroups(0, NULL) != (int)privs->n_groups)
		return error_set(err, "the supplementary groups did not change");
	if (privs->uid == 0)
		return 0;
	if (set_uid((uid_t)-1, 0, (uid_t)-1) == 0 ||
	    (privs->gid != 0 && set_gid((gid_t)-1, 0, (gid_t)-1) == 0))
		return error_set(err, "root could be had back after the drop");
	if (get_capabilities(data) < 0 || data[0].effective || data[0].permitted ||
	    data[0].inheritable || data[1].effective || data[1].permitted || data[1].inheritable)
		return error_set(err, "capabilities were left after the drop");
	return 0;
}

static void
clear_inheritable_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	(void)prctl(
	    PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* unknown before Linux 4.3 */
	(void)syscall(SYS_capset, &header, none);               /* to less is always allowed */
}

/* Set all ids and prove it. */
static int
change_ids(const struct privs *privs, unsigned *shortfalls, struct error *err)
{
	if (set_ids(privs, shortfalls, err) < 0)
		return -1;
	if (privs->uid != 0)
		clear_inheritable_capabilities();
	return prove(privs, *shortfalls, err);
}

int
privs_switch(const struct privs *privs, struct error *err)
{
	unsigned shortfalls = 0;

	return change_ids(privs, &shortfalls, err);
}

int
privs_drop(const struct privs *privs, bool no_new_privs, unsigned *shortfalls, struct error *err)
{
	int death_signal = 0;

	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	if (no_new_privs && privs->uid != 0)
		empty_bounding_set();
	if (change_ids(privs, shortfalls, err) < 0)
		return -1;
	/* The kernel forgets it when ids change; whoever started us still counts on it. */
	if (death_signal != 0)
		(void)prctl(PR_SET_PDEATHSIG, death_signal);
	return 0;
}

int
privs_seal(bool no_new_privs, struct error *err)
{
	if (no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, "no_new_privs: %s", strerror(errno));
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
}
