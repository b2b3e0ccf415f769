#!/bin/sh
# SPDX-License-Identifier: MIT
# qemu_user.sh COMMAND...: while it runs, the kernel gives programs for arm64 to qemu-user. Needs root.
set -eu

[ -n "${IN_OUR_MOUNTS-}" ] || IN_OUR_MOUNTS=1 exec unshare --mount "$0" "$@"
unset IN_OUR_MOUNTS

misc=/proc/sys/fs/binfmt_misc
ours=initd-$$

mount -t binfmt_misc binfmt_misc $misc
trap 'echo -1 >$misc/$ours' EXIT
trap 'exit 1' HUP INT TERM
# As the package would have it, but for O: initd would inherit that descriptor of itself.
sed "s/^:[^:]*:/:$ours:/; s/:[A-Z]*\$/:PF/" /usr/lib/binfmt.d/qemu-aarch64.conf >$misc/register
"$@"
