/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration with the loop's epoll instance.
 */
#include "source.h"

#include <errno.h>
#include <sys/epoll.h>

#include "board.h"

static int control(struct source *source, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	if (epoll_ctl(board.epoll, op, source->fd, &ev) < 0)
		return -errno;
	source->events = events;
	return 0;
}

int source_add(struct source *source, uint32_t events)
{
	return control(source, EPOLL_CTL_ADD, events);
}

int source_set(struct source *source, uint32_t events)
{
	return source->events == events ? 0 : control(source, EPOLL_CTL_MOD, events);
}

void source_remove(struct source *source)
{
	if (source->fd >= 0)
		control(source, EPOLL_CTL_DEL, 0);
	source->ready = NULL;
}
