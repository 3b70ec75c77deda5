/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orphans of orphans.h.
 */
#include "orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board.h"
#include "door.h"
#include "grant.h"

/* An agent that lives connects again within a second. */
#define RETURN_USEC UINT64_C(5000000)

static struct timer returning;

void orphans_unlink(const struct door *door)
{
	int fd = door->dir < 0 || door->external ? -1 :
			 openat(door->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (!door_has_file(door, e->d_name) &&
		    fstatat(door->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode))
			unlinkat(door->dir, e->d_name, 0);
	closedir(dir);
}

static void return_due(struct timer *t)
{
	(void)t;
	list_foreach(it, &board.doors)
		list_foreach(jt, &list_entry(it, struct door, in_board)->grant_list)
			grant_unclaimed(list_entry(jt, struct grant, in_door));
}

void orphans_start(void)
{
	list_foreach(it, &board.doors)
		orphans_unlink(list_entry(it, struct door, in_board));
	returning.due = return_due;
	timer_arm(&board.timers, &returning, timer_now() + RETURN_USEC);
}
