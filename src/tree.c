/* SPDX-License-Identifier: MIT */
/* What is known of the watched directories and files. */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- sorted arrays of pointers ---- */

/* They grow by half, in steps that need no field for the capacity. */
static unsigned
capacity(unsigned n)
{
	unsigned size = 4;

	while (size < n)
		size += size / 2;
	return size;
}

/* An array of n pointers with a gap at index i; NULL if memory is short. */
static void *
open_gap(void *array, unsigned n, unsigned i)
{
	void **grown = array;

	if (n == 0 || capacity(n + 1) != capacity(n)) {
		grown = realloc(array, capacity(n + 1) * sizeof *grown);
		if (!grown)
			return NULL;
	}
	memmove(grown + i + 1, grown + i, (n - i) * sizeof *grown);
	return grown;
}

static void
close_gap(void *array, unsigned n, unsigned i)
{
	void **pointers = array;

	memmove(pointers + i, pointers + i + 1, (n - i - 1) * sizeof *pointers);
}

/* The index of `name`, or where it belongs, among n pointers to what has its name at `offset`. */
static unsigned
find(const void *array, unsigned n, size_t offset, const char *name, bool *found)
{
	unsigned low = 0, high = n;

	*found = false;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const char *item;
		int order;

		memcpy(&item, (const char *)array + middle * sizeof item, sizeof item);
		order = strcmp(item + offset, name);
		if (order == 0)
			*found = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static unsigned
find_dir(const struct tree_dir *dir, const char *name, bool *found)
{
	return find(dir->dirs, dir->n_dirs, offsetof(struct tree_dir, name), name, found);
}

static unsigned
find_file(const struct tree_dir *dir, const char *name, bool *found)
{
	return find(dir->files, dir->n_files, offsetof(struct tree_file, name), name, found);
}

/* ---- the public ones ---- */

static struct tree_dir *
new_dir(struct tree_dir *parent, const char *name)
{
	size_t length = strlen(name) + 1;
	struct tree_dir *dir = calloc(1, sizeof *dir + length);

	if (!dir)
		return NULL;
	dir->parent = parent;
	dir->wd = -1;
	memcpy(dir->name, name, length);
	return dir;
}

struct tree_dir *
tree_new_root(const char *path)
{
	return new_dir(NULL, path);
}

struct tree_dir *
tree_find_dir(const struct tree_dir *dir, const char *name)
{
	bool found;
	unsigned i = find_dir(dir, name, &found);

	return found ? dir->dirs[i] : NULL;
}

struct tree_file *
tree_find_file(const struct tree_dir *dir, const char *name)
{
	bool found;
	unsigned i = find_file(dir, name, &found);

	return found ? dir->files[i] : NULL;
}

struct tree_dir *
tree_add_dir(struct tree_dir *dir, const char *name)
{
	bool found;
	unsigned i = find_dir(dir, name, &found);
	struct tree_dir *child, **grown;

	if (found)
		return dir->dirs[i];
	child = new_dir(dir, name);
	grown = child ? open_gap(dir->dirs, dir->n_dirs, i) : NULL;
	if (!grown) {
		free(child);
		return NULL;
	}
	dir->dirs = grown;
	dir->dirs[i] = child;
	dir->n_dirs++;
	return child;
}

struct tree_file *
tree_add_file(struct tree_dir *dir, const char *name)
{
	bool found;
	unsigned i = find_file(dir, name, &found);
	size_t length = strlen(name) + 1;
	struct tree_file *file, **grown;

	if (found)
		return dir->files[i];
	file = calloc(1, offsetof(struct tree_file, name) + length);
	grown = file ? open_gap(dir->files, dir->n_files, i) : NULL;
	if (!grown) {
		free(file);
		return NULL;
	}
	memcpy(file->name, name, length);
	dir->files = grown;
	dir->files[i] = file;
	dir->n_files++;
	return file;
}

void
tree_remove_file(struct tree_dir *dir, unsigned i)
{
	free(dir->files[i]);
	close_gap(dir->files, dir->n_files, i);
	dir->n_files--;
}

void
tree_remove_dir(struct tree_dir *dir, unsigned i)
{
	tree_free(dir->dirs[i]);
	close_gap(dir->dirs, dir->n_dirs, i);
	dir->n_dirs--;
}

void
tree_forget(struct tree_dir *dir)
{
	bool found;

	tree_remove_dir(dir->parent, find_dir(dir->parent, dir->name, &found));
}

void
tree_free(struct tree_dir *root)
{
	if (!root)
		return;
	for (unsigned i = 0; i < root->n_dirs; i++)
		tree_free(root->dirs[i]);
	for (unsigned i = 0; i < root->n_files; i++)
		free(root->files[i]);
	free(root->dirs);
	free(root->files);
	free(root);
}

/* Append to what has been written, as far as there is room; the length counts on. */
static size_t
append(char *buf, size_t size, size_t n, const char *text)
{
	size_t length = strlen(text), room = n < size ? size - n - 1 : 0;

	if (n < size) {
		memcpy(buf + n, text, length < room ? length : room);
		buf[n + (length < room ? length : room)] = '\0';
	}
	return n + length;
}

/* With a slash between this and what came before, if there is any. */
static size_t
append_part(char *buf, size_t size, size_t n, const char *part)
{
	if (n > 0)
		n = append(buf, size, n, "/");
	return append(buf, size, n, part);
}

static size_t
dir_path(const struct tree_dir *dir, bool below, char *buf, size_t size)
{
	if (!dir->parent)
		return below ? append(buf, size, 0, "") : append(buf, size, 0, dir->name);
	return append_part(buf, size, dir_path(dir->parent, below, buf, size), dir->name);
}

size_t
tree_path(const struct tree_dir *dir, const char *name, bool below, char *buf, size_t size)
{
	size_t n = dir_path(dir, below, buf, size);

	return name ? append_part(buf, size, n, name) : n;
}
