/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a Unix socket that we have no descriptor of is still connected: unix_diag, see
 * sock_diag(7). It finds sockets of our network namespace, where all are that we make or
 * accept, whoever holds them now.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Names one socket for as long as it lives, and no other after it. */
struct diag_name {
	uint64_t cookie;	/* SO_COOKIE */
	uint32_t inode;
};

/* Before the sandbox is entered, which allows no such socket to be made. Where the kernel
 * cannot tell, diag_works() is false and nothing else is to be called. */
void diag_start(void);
bool diag_works(void);

/* 0 or a negative errno. */
int diag_name(int sock, struct diag_name *ret);

/* Is it there and are both directions open? Where the kernel does not say, yes. */
bool diag_connected(const struct diag_name *name);
