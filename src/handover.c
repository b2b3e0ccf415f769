/* SPDX-License-Identifier: MIT */
/* Giving a held socket to a server that knows nothing of it. */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0 /* no filter matches */
#endif

/* The low half of shutdown(2)'s `how`; all of ARCH are little-endian. */
#define HOW (offsetof(struct seccomp_data, args) + sizeof(uint64_t))

/* Of Linux 5.19; without it a signal (Go's preemption) makes the child call bind(2) once more. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static long
seccomp(unsigned operation, unsigned long flags, void *arg)
{
	return syscall(SYS_seccomp, operation, flags, arg);
}

/* The libcs do not agree on the type of a request. */
static int
notify_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

static int
read_yama_scope(void)
{
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	char digit = '0';

	if (fd < 0)
		return 0;
	(void)!read(fd, &digit, 1);
	(void)close(fd);
	return digit - '0';
}

int
handover_check(bool no_new_privs)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	if (ARCH == 0 || seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return ARCH == 0 ? -ENOSYS : -errno;
	if (!no_new_privs)
		return -EACCES;
	/* 1 lets parents look into their descendants. */
	return read_yama_scope() > 1 ? -EPERM : 0;
}

static int
install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 3, 0),
		/* Twisted shuts its listening socket down. Connections are mostly closed, or half (SHUT_WR). */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_shutdown, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, HOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SHUT_RDWR, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof code / sizeof code[0], .filter = code };
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int fd = (int)seccomp(
	    SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);

	if (fd < 0 && errno == EINVAL)
		fd = (int)seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
	return fd < 0 ? -errno : fd;
}

void
handover_in_child(int sock)
{
	int fd = install_filter(), error = fd < 0 ? -fd : 0;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct cmsghdr *part = (struct cmsghdr *)control;
	struct iovec data = { .iov_base = &error, .iov_len = sizeof error };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof control;
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(part), &fd, sizeof fd);
	}
	(void)sendmsg(sock, &message, MSG_NOSIGNAL);
}

int
handover_receive(int sock)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct cmsghdr *part = (struct cmsghdr *)control;
	int fd, error = EPROTO;
	struct iovec data = { .iov_base = &error, .iov_len = sizeof error };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control,
	};

	if (recvmsg(sock, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != sizeof error)
		return -EPROTO; /* it died before */
	if (error != 0)
		return -error;
	if (message.msg_controllen < CMSG_LEN(sizeof fd) || part->cmsg_type != SCM_RIGHTS)
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(part), sizeof fd);
	return fd;
}

static int
open_memory(pid_t pid)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool
handover_may_read(pid_t pid)
{
	int fd = open_memory(pid);

	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

/* Only what is an IP address of its full length; Linux takes a shorter IPv6 one, nobody writes that. */
static bool
read_address(pid_t pid, const struct seccomp_data *call, union listener_address *address)
{
	size_t length = (size_t)call->args[2];
	int fd = open_memory(pid);
	ssize_t n;

	if (fd < 0)
		return false;
	if (length > sizeof(struct sockaddr_storage))
		return false; /* the kernel would not have it */
	if (length > sizeof *address)
		length = sizeof *address;
	memset(address, 0, sizeof *address);
	n = pread(fd, address, length, (off_t)call->args[1]);
	(void)close(fd);
	if (n != (ssize_t)length)
		return false;
	if (address->any.sa_family == AF_INET)
		return length >= sizeof address->in;
	return address->any.sa_family == AF_INET6 && length >= sizeof address->in6;
}

/* The kernel tells the protocol of a socket as this attribute; lsof(8) lives by it. */
static bool
is_tcp_socket(pid_t pid, int fd, bool is_v6)
{
	char path[48], name[16] = { 0 };

	(void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
	if (getxattr(path, "system.sockprotoname", name, sizeof name - 1) <= 0)
		return false;
	/* MPTCP is what Go listens with; it takes the other for it. */
	return strcmp(name, is_v6 ? "TCPv6" : "TCP") == 0 ||
	       strcmp(name, is_v6 ? "MPTCPv6" : "MPTCP") == 0;
}

static bool
is_still_there(int filter_fd, uint64_t id)
{
	return notify_ioctl(filter_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool
handover_take(int filter_fd, struct handover_bind *bind)
{
	struct seccomp_notif call = { 0 }; /* must be: the kernel insists */

	if (notify_ioctl(filter_fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return false;
	*bind = (struct handover_bind){
		.id = call.id,
		.pid = (pid_t)call.pid,
		.fd = (int)call.data.args[0],
		.is_shutdown = call.data.nr == SYS_shutdown,
	};
	bind->is_known = !bind->is_shutdown && read_address(bind->pid, &call.data, &bind->address);
	if (bind->is_known) {
		bind->port = listener_port(&bind->address);
		bind->is_tcp =
		    is_tcp_socket(bind->pid, bind->fd, bind->address.any.sa_family == AF_INET6);
	}
	/* If not, another process may have that pid by now, and what was read was its. */
	return is_still_there(filter_fd, call.id);
}

bool
handover_is_same(const struct handover_bind *bind, int fd)
{
	char path[48];
	struct stat theirs, ours;

	(void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)bind->pid, bind->fd);
	return stat(path, &theirs) == 0 && fstat(fd, &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

static int
answer(int filter_fd, uint64_t id, uint32_t flags)
{
	struct seccomp_notif_resp response = { .id = id, .flags = flags };

	return notify_ioctl(filter_fd, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 ? -errno : 0;
}

void
handover_pass(int filter_fd, const struct handover_bind *bind)
{
	(void)answer(filter_fd, bind->id, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void
handover_feign(int filter_fd, const struct handover_bind *bind)
{
	(void)answer(filter_fd, bind->id, 0);
}

/* Its O_ flags, by /proc/PID/fdinfo/FD; what servers mostly have if that cannot be read. */
static int
flags_of(pid_t pid, int fd)
{
	char path[48], text[64];
	const char *flags;
	ssize_t n;
	int info;

	(void)snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return O_CLOEXEC;
	n = read(info, text, sizeof text - 1);
	(void)close(info);
	text[n > 0 ? n : 0] = '\0';
	flags = strstr(text, "flags:");
	return flags ? (int)strtol(flags + strlen("flags:"), NULL, 8) : O_CLOEXEC;
}

int
handover_give(int filter_fd, const struct handover_bind *bind, int fd, bool shares)
{
	int flags = flags_of(bind->pid, bind->fd);
	struct seccomp_notif_addfd place = {
		.id = bind->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = (uint32_t)bind->fd,
		.newfd_flags = (uint32_t)flags & O_CLOEXEC,
	};

	if (!shares || flags & O_NONBLOCK)
		(void)fcntl(fd, F_SETFL, flags & O_NONBLOCK);
	if (notify_ioctl(filter_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &place) < 0) {
		int error = errno;

		handover_pass(filter_fd, bind);
		return -error;
	}
	return answer(filter_fd, bind->id, 0);
}
