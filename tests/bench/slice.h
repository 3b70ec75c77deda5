/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that one load shares with the client and service processes it started, and
 * what such a process does with it. A bench is cut into slices of a fraction of a second,
 * so that two brokers can be measured in turn while both stay up: load.c opens a slice,
 * each client works until its deadline, counting operations and their latency, then
 * sleeps.
 *
 * Included by load.c (the owner) and by every worker program of this folder.
 */
#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLICE_FD 3		/* the shared memory, in a worker */
#define SLICE_CLIENTS_MAX 64u
#define SLICE_STEPS 64u		/* histogram buckets an octave: 1.6 % resolution */
#define SLICE_OCTAVES 28u	/* from 64 ns to 17 s */
#define SLICE_BUCKETS (SLICE_STEPS * SLICE_OCTAVES)

struct slice_client {
	_Alignas(64) uint64_t ops;	/* all of the current slice */
	uint64_t in_time;		/* of these, ended before the deadline */
	uint32_t hist[SLICE_BUCKETS];	/* latencies, in ns, of all */
};

struct slice {
	_Atomic uint32_t round;		/* futex: moved to open a slice */
	_Atomic uint32_t finished;	/* futex: clients that ended this slice */
	_Atomic uint32_t ready;		/* futex: processes that are set up */
	_Atomic uint32_t counting;	/* the service counts what it receives */
	uint64_t deadline_ns;
	_Alignas(64) _Atomic uint64_t received; /* by the service, since its start */
	struct slice_client client[SLICE_CLIENTS_MAX];
};

/* Print why, with errno's meaning if it is not 0, and end this process. */
__attribute__((format(printf, 1, 2), noreturn))
static inline void slice_die(const char *format, ...)
{
	int error = errno;
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	if (error)
		fprintf(stderr, ": %s", strerror(error));
	fputc('\n', stderr);
	_exit(1);
}

static inline uint64_t slice_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Sleep while *word is value; timeout_ms -1 is for ever. */
static inline void slice_sleep(_Atomic uint32_t *word, uint32_t value, int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, (timeout_ms % 1000) * 1000000L };

	syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ms < 0 ? NULL : &ts, NULL, 0);
}

static inline void slice_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* In a worker: the memory that load.c left at SLICE_FD. */
static inline struct slice *slice_map(void)
{
	void *p = mmap(NULL, sizeof(struct slice), PROT_READ | PROT_WRITE, MAP_SHARED, SLICE_FD,
		       0);

	if (p == MAP_FAILED)
		slice_die("this program is started by load: no shared memory");
	return p;
}

/* In a client: which one it is. */
static inline struct slice_client *slice_self(struct slice *s)
{
	const char *index = getenv("SLICE_INDEX");
	unsigned long i = index ? strtoul(index, NULL, 10) : SLICE_CLIENTS_MAX;

	if (i >= SLICE_CLIENTS_MAX) {
		errno = 0;
		slice_die("SLICE_INDEX must be below %u", SLICE_CLIENTS_MAX);
	}
	return &s->client[i];
}

/* In any worker: set up, from now on it can be measured. Returns the round to wait from. */
static inline uint32_t slice_ready(struct slice *s)
{
	uint32_t round = atomic_load(&s->round);

	atomic_fetch_add(&s->ready, 1);
	slice_wake(&s->ready);
	return round;
}

static inline void slice_wait(struct slice *s, uint32_t *round)
{
	while (atomic_load(&s->round) == *round)
		slice_sleep(&s->round, *round, -1);
	*round = atomic_load(&s->round);
}

static inline unsigned int slice_bucket(uint64_t ns)
{
	unsigned int octave;
	uint64_t bucket;

	if (ns < SLICE_STEPS)
		return 0;
	octave = 63u - (unsigned int)__builtin_clzll(ns);	/* 6 or more */
	bucket = (octave - 6u) * SLICE_STEPS + (ns >> (octave - 6u)) - SLICE_STEPS;
	return bucket < SLICE_BUCKETS ? (unsigned int)bucket : SLICE_BUCKETS - 1;
}

/* The lower bound, in ns, of a bucket. */
static inline uint64_t slice_bucket_ns(unsigned int bucket)
{
	return (uint64_t)(SLICE_STEPS + bucket % SLICE_STEPS) << (bucket / SLICE_STEPS);
}

/* Count one operation. */
static inline void slice_count(const struct slice *s, struct slice_client *c, uint64_t start,
			       uint64_t end)
{
	c->ops++;
	if (end <= s->deadline_ns)
		c->in_time++;
	c->hist[slice_bucket(end - start)]++;
}

/* This client has reached the deadline. */
static inline void slice_finish(struct slice *s)
{
	atomic_fetch_add(&s->finished, 1);
	slice_wake(&s->finished);
}

/* In the service: n more descriptors or connections have come. */
static inline void slice_received(struct slice *s, uint64_t n)
{
	uint64_t now = atomic_load_explicit(&s->received, memory_order_relaxed);

	atomic_store_explicit(&s->received, now + n, memory_order_release);
}

/* The whole life of a client: op() does one operation and returns when it had its answer,
 * in ns; tidy() closes what it got, outside of the latency. */
__attribute__((noreturn))
static inline void slice_client_run(struct slice *s, uint64_t (*op)(void *), void (*tidy)(void *),
				    void *arg)
{
	struct slice_client *c = slice_self(s);
	uint32_t round = slice_ready(s);

	for (;;) {
		uint64_t start, end;

		slice_wait(s, &round);
		start = slice_now();
		while (start < s->deadline_ns) {
			end = op(arg);
			slice_count(s, c, start, end);
			tidy(arg);
			start = slice_now();
		}
		slice_finish(s);
	}
}
