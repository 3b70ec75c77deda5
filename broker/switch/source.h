/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loop waits for: one descriptor and the function to call. Owners embed it.
 */
#pragma once

#include <stdint.h>

struct source {
	int fd;			/* -1: none */
	uint32_t events;	/* epoll_ctl(2)'s; 0: registered, silent */
	void (*ready)(struct source *source, uint32_t events); /* NULL: being destroyed */
};

/* Register; change what is waited for (nothing happens when it is the same); unregister,
 * without closing. 0 or a negative errno. */
int source_add(struct source *source, uint32_t events);
int source_set(struct source *source, uint32_t events);
void source_remove(struct source *source);
