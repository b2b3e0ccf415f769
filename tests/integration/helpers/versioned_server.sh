#!/bin/sh
# SPDX-License-Identifier: MIT
# versioned_server.sh TREE: says `start`, a line for each file (md5sum's) and each link below TREE, `changed` and
# INITD_CHANGED, then `up`; and lives. So a test sees which version of the tree a server runs.
echo start
cd "$1" || exit 3
find . \( -type f -exec md5sum {} + \) -o \( -type l -xtype d -printf 'directory %p -> %l\n' \) \
    -o \( -type l -printf 'link %p -> %l\n' \) 2> /dev/null
printf 'changed %s\nup\n' "${INITD_CHANGED-null}"
exec sleep 1000
