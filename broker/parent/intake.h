/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a child's pipes to their ends, with a bound to bytes and time. For config.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INTAKES_MAX 2u
#define INTAKE_DEADLINE_US UINT64_C(10000000)

/* A pipe and what has come from it; bytes to be freed, at first NULL. */
struct intake {
	int fd;
	uint8_t *bytes;
	size_t len, max;
};

/* Read all n to their ends. 0, or a negative errno: -ETIMEDOUT; -EFBIG more than max bytes. */
int intake_read(struct intake *in, size_t n);
