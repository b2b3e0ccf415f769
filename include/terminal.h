/* SPDX-License-Identifier: MIT */
/* The controlling terminal on stdin: who is its foreground group. */
#ifndef INITD_TERMINAL_H
#define INITD_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

/* Is stdin a terminal whose foreground group is ours? A background job must not take it. */
bool terminal_is_ours(void);

/* The same, or the group that we gave it to: not a shell's that has put us into the background. */
bool terminal_is_with(pid_t group);

/* Make this group the foreground group; 0: our own. Errors mean that the terminal is gone. */
void terminal_give(pid_t group);

/*
 * Ctrl-Z stopped the server's group, or it wanted the terminal in the background; a shell waits for
 * our group, not for that one. Take the terminal back from it and stop our group as well. Returns
 * when the shell continues us, or at once if there is no shell that could (then the kernel does not
 * stop us either).
 */
void terminal_suspend(pid_t group);

#endif
