/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who connected a Unix socket (SO_PEERCRED, unix(7)), in the numbers of our user namespace.
 */
#pragma once

#include <stdint.h>

struct peer {
	int64_t uid;	/* -1: it has no number here (user_namespaces(7)) */
	uint32_t pid;	/* 0: not visible from our pid namespace */
};

/* Read once how the kernel shows uids that have no number here. */
void peer_start(void);

/* 0 or a negative errno. */
int peer_of(int sock, struct peer *ret);
