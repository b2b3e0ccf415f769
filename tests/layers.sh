#!/bin/sh
# SPDX-License-Identifier: MIT
# Includes go downwards only: a file may include headers of lower layers and its own.
set -eu
cd "$(dirname "$0")/.."

# From the bottom up.
layers='error utf8 exit_code
json tree patterns burst loop_guard fingerprint bytecode listener pollset
log parse lifecycle oom agent editable notify control scan handover unavailable
env http cmdline watch_inotify hold
proc probe standby changes
privs options signals terminal health server watch activation
config prober status
plan watch_auto supervisor_state
say
answers succession
dev
supervisor
cmd cmd_run cmd_check cmd_healthcheck cmd_client
main'

layer_of() {
	printf '%s\n' "$layers" | awk -v name="$1" '{ for (i = 1; i <= NF; i++) if ($i == name) print NR }'
}

bad=0
for file in src/*.c include/*.h; do
	module=$(basename "$file" | sed 's/\.[ch]$//')
	layer=$(layer_of "$module")
	if [ -z "$layer" ]; then
		echo "$file: has no layer in $0"
		bad=1
		continue
	fi
	# shellcheck disable=SC2013 # names of headers have no blanks
	for header in $(sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$file"); do
		below=$(layer_of "$header")
		[ "$header" = "$module" ] || [ "${module%%_*}" = "$header" ] && continue
		if [ -z "$below" ] || [ "$below" -ge "$layer" ]; then
			echo "$file: includes $header.h, which is not below it"
			bad=1
		fi
	done
done
exit $bad
