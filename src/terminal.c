/* SPDX-License-Identifier: MIT */
/* The controlling terminal on stdin. */
#include "terminal.h"

#include "proc.h"

#include <signal.h>
#include <unistd.h>

bool
terminal_is_ours(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group >= 0 && group == getpgrp();
}

void
terminal_give(pid_t group)
{
	(void)tcsetpgrp(STDIN_FILENO, group > 0 ? group : getpgrp());
}

void
terminal_suspend(pid_t group)
{
	const uint64_t stop = UINT64_C(1) << (SIGTSTP - 1);

	if (tcgetpgrp(STDIN_FILENO) == group)
		terminal_give(0);
	(void)kill(0, SIGTSTP);
	/* Default again for this moment: it stops us here, unless our group is orphaned. */
	proc_set_mask(SIG_UNBLOCK, stop, NULL);
	proc_set_mask(SIG_BLOCK, stop, NULL);
}
