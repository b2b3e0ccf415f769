/* SPDX-License-Identifier: MIT */
/* Does an environment of Python have an editable install that points to AGENT_DIR? */
#ifndef INITD_EDITABLE_H
#define INITD_EDITABLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Look through the site-packages (and Debian's dist-packages) of `prefix`, a venv or what
 * sys.prefix is, for: the installer's own record (PEP 610: *.dist-info/direct_url.json with
 * dir_info.editable), a path in a *.pth or *.egg-link file, or an import finder
 * (__editable__*_finder.py, _editable_impl_*.py) that names a path. It counts if the path is
 * agent_dir, in it, or above it but not the root, links resolved. A venv that includes the system's
 * packages (pyvenv.cfg) is followed there. True: how[size] says what was found, for people:
 * "FILE names PATH".
 */
bool editable_find(const char *prefix, const char *agent_dir, char *how, size_t size);

#endif
