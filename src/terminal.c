/* SPDX-License-Identifier: MIT */
/* The controlling terminal on stdin. */
#include "terminal.h"

#include "proc.h"

#include <unistd.h>

bool
terminal_is_with(pid_t group)
{
	pid_t foreground = tcgetpgrp(STDIN_FILENO);

	return foreground >= 0 && (foreground == getpgrp() || foreground == group);
}

bool
terminal_is_ours(void)
{
	return terminal_is_with(-1);
}

void
terminal_give(pid_t group)
{
	(void)tcsetpgrp(STDIN_FILENO, group > 0 ? group : getpgrp());
}

void
terminal_suspend(pid_t group)
{
	if (terminal_is_with(group))
		terminal_give(0);
	proc_stop_own_group();
}
