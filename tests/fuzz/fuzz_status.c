/* SPDX-License-Identifier: MIT */
/* Any text as a status: what is read writes, reads back equal and can be printed. */
#include "hold.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static FILE *nowhere;
	char *text = malloc(n + 1), *once = malloc(STATUS_TEXT_SIZE),
	     *twice = malloc(STATUS_TEXT_SIZE);
	struct status status, again;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	hold(nowhere && text && once && twice);
	memcpy(text, bytes, n);
	text[n] = '\0';
	if (status_read(&status, text)) {
		size_t length = status_write(&status, once);

		hold(length < STATUS_TEXT_SIZE && strlen(once) == length);
		hold(status_read(&again, once));
		/* Two structs are equal if all that is written of them is. */
		hold(status_write(&again, twice) == length && strcmp(once, twice) == 0);
		hold(status.n_verdicts <= HEALTH_HISTORY);
		status_print(&status, nowhere);
		status_print_json(&status, nowhere);
	}
	free(text);
	free(once);
	free(twice);
	return 0;
}
