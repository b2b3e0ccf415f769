# SPDX-License-Identifier: MIT
"""The ways in which a file of one line is written anew."""

import os
import time


def code(text):
    return f'ANSWER = "{text}"\n'


def in_place(path, text):
    path.write_text(text)


def unlink_and_create(path, text):
    """As the Docker Engine does it."""
    path.unlink()
    path.write_text(text)
    path.chmod(0o644)
    os.utime(path, (int(time.time()), int(time.time())))


def rename(path, text, times=None):
    new = path.with_name("answer.py.tmp")
    new.write_text(text)
    os.utime(new, times)
    new.rename(path)


STYLES = (in_place, unlink_and_create, rename)
