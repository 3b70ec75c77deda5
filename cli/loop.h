/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's event loop: descriptors (epoll) and one-shot timers, each calling a function.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct loop;

/* A descriptor that is watched; embed it. ready() may remove or free its own source or any
 * other: no event of a removed source is delivered. */
struct loop_source {
	int fd;			/* borrowed */
	uint32_t events;	/* as epoll_ctl(2)'s */
	void (*ready)(struct loop_source *source, uint32_t events);
};

/* Embed it, zeroed but for fire(). */
struct loop_timer {
	struct loop_timer *next;
	int64_t due_ms;		/* CLOCK_MONOTONIC; 0: not armed */
	void (*fire)(struct loop_timer *timer);
};

struct loop {
	int epoll;
	struct loop_timer *timers;	/* few: an unordered list */
};

/* 0 or a negative errno. */
int loop_init(struct loop *loop);
void loop_end(struct loop *loop);

/* Watch, or change what is watched for. 0 or a negative errno. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
/* Before the descriptor is closed. Nothing happens when it is not watched. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Arm, or arm anew: fires once, then. */
void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t due_ms);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

/* Wait for one event and let it happen. 0 or a negative errno. */
int loop_step(struct loop *loop);

/* CLOCK_MONOTONIC. */
int64_t loop_now_ms(void);
